"""Faults of time: session zones, clock changes, slow runs, cutoffs."""
