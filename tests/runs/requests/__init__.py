"""Shifts, in this process."""
