"""Calls to the outside: claim rows, call for each outside of any transaction, record what came of it."""
