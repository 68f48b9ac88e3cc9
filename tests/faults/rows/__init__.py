"""Faults of rows: moving, locked, refused, unreadable, oddly shaped."""
