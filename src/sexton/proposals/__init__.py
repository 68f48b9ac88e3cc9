"""Policies proposed for a database never seen before (`sexton init --from`): from names, types and counts."""
