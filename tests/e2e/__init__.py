"""Whole programs that others made, with Sexton in them."""
