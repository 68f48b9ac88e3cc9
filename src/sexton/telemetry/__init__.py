"""What the outside sees of runs: log lines now; metrics and alerts hang on the run table."""
