"""Jobs inside PostgreSQL: each one a procedure that runs the statements of its policies, and pg_cron that calls it."""
