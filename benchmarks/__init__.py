"""Benchmarks: each target as a ratio of two sides measured in the same round. Run with `python -m benchmarks`."""
