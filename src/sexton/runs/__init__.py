"""Executing work: claim a slot, run its policies batch by batch or its function, archive, and keep what happened.

`runner` is the list of calls; `batches` owns loop, transaction, deadline, pacing and poison.
"""
