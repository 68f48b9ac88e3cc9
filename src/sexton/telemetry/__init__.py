"""What the outside sees of runs: log lines, health, metrics, incidents and their alerts, all read from the tables."""
