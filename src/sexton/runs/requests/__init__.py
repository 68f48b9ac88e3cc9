"""Executing jobs on demand: a shift takes requests by hundreds, calls their functions, and ends them together."""
