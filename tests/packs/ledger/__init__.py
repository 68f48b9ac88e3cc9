"""Tests of the ledger pack."""
