"""Sexton inside an API server, on real servers and processes."""
