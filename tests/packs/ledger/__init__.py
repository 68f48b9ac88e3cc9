"""Tests of the ledger pack (PGC-1 to PGC-7)."""
