"""The worker: leads by lease, finds what is due, and gives each run to a process that may die without harm."""
