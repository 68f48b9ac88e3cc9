"""Executing work: claim a slot under a lease, run its policies batch by batch, and keep what happened.

`runner` is the list of calls; `claim` and `lease` say who may run; `batches` owns loop, transaction, deadline, pacing
and poison; `statements` turns a plan into SQL; `picked`, `purge` and `sqlite` are how each dialect executes a batch.
"""
