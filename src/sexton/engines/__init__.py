"""Engines: each brings due runs to a process. What all of them do alike is in `contract.py`."""
