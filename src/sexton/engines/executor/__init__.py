"""Executors: processes in which runs happen, one at a time; for a worker, and for whoever runs what is due once."""
