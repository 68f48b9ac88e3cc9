"""Policies from the settings file, for tables that Sexton has never seen: looked up in the database, counted, armed."""
