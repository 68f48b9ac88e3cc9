"""Jobs on demand in the database: asked for, claimed, ended, dead; who works, and what is kept in order."""
