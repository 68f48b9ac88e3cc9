"""The SQL of the packs' policies, in full, for review (`*.sql`), and how PostgreSQL plans it on filled tables.

The files are written by `python -m tests.sql` after a change of a policy; a test fails while they are stale.
"""
