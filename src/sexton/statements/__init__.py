"""A plan as SQL: due rows, how a batch changes them on each database, what a preview counts, what stands aside."""
