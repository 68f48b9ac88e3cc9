"""Tests of Sexton; the folders mirror the package."""
