"""Names of lines in pg_cron: one for each job and database, within the 63 bytes that PostgreSQL keeps of a name.

`sx:marketplace.expire_orders@shop`. A longer one is cut and ends with a hash of the whole: pg_cron itself would cut it
without a word, and two would become one. A name is unique for its role in the whole server, not in a database.
"""

from __future__ import annotations

from hashlib import sha256

from .procedure import MAX_NAME_BYTES

LINE_PREFIX = "sx:"
"""How the names of all our lines begin."""

_HASH = 12


def line_name(job: str, database: str) -> str:
    """Of the line that calls the job in that database."""
    return fitted(f"{LINE_PREFIX}{job}@{database}")


def catch_up_name(database: str) -> str:
    """Of the line that once an hour calls all jobs of that database; no job has a + in its name."""
    return fitted(f"{LINE_PREFIX}+catch_up@{database}")


HISTORY_NAME = f"{LINE_PREFIX}+history"
"""Of the line that deletes what pg_cron has noted about ours; one for each role."""


def fitted(name: str) -> str:
    """The name itself, or its beginning and a hash of all of it."""
    written = name.encode()
    if len(written) <= MAX_NAME_BYTES:
        return name
    begin = written[: MAX_NAME_BYTES - _HASH - 1].decode(errors="ignore")  # not in the middle of a letter
    return f"{begin}~{sha256(written).hexdigest()[:_HASH]}"
