"""Faults of the database: deadlocks, locks, drift, missing rights."""
