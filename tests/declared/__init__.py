"""Policies from the settings file, on tables that Sexton has never seen."""
