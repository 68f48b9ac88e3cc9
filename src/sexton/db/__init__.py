"""Databases that jobs run in: connections, what differs between dialects, Sexton's own tables and their migrations."""
