"""`sexton pg-cron`: what people see of install, status, diff, remove, script; every refusal is one clear line (PGC-1)."""
