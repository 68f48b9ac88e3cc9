"""Tests of the storefront pack."""
