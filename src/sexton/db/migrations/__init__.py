"""Revisions of Sexton's own tables, run by `sexton migrate` through Alembic."""
