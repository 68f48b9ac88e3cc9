"""Jobs on demand in the database: asked for, claimed, ended."""
