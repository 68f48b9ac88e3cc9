"""Nothing secret gets out: passwords, values of rows."""
