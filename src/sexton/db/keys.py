"""Effect keys and subjects as text: how their parts are joined so that two rows never read alike. The specification.

In a part that is free text `~` is written `~0` and the separator `~1`; NULL, where a key may hold it, is `~N`. So the
separator separates, and texts without both are as they were. A text of more than `LONGEST` characters is its beginning,
`~`, and its SHA-256, together one character more than that: no whole text is so long. SQLite calls these functions
itself; PostgreSQL has `sexton.bounded`, and tests compare them.
"""

from __future__ import annotations

import hashlib
from datetime import date, datetime

from ..clock import iso

COLON, COMMA = ":", ","
"""What separates the parts of an effect key, and those of a subject."""

LONGEST = 500
"""Characters of a key; an entry of an index on PostgreSQL holds 2,700 bytes."""

KEPT = LONGEST - 64
"""Characters that stay of a longer one."""

NOTHING = "~N"
"""In place of a value that is not there."""


def escaped(part: str, separator: str) -> str:
    """Free text as a part: without the separator, and read in one way only."""
    return part.replace("~", "~0").replace(separator, "~1")


def effect_key(name: str, *parts: str | int | date) -> str:
    """The key that `text_key` makes in SQL of these values: for `tell`, whose keys are made in Python.

    name: what the fact is, written as it is.  parts: whom or what it is about; texts may hold anything.
    """
    return bounded(COLON.join((name, *map(_part, parts))))


def _part(value: str | int | date) -> str:
    if isinstance(value, datetime):
        return iso(value)
    return escaped(value, COLON) if isinstance(value, str) else str(value)


def bounded(text: str) -> str:
    """The text, or for a long one its beginning and its hash."""
    if len(text) <= LONGEST:
        return text
    return f"{text[:KEPT]}~{hashlib.sha256(text.encode(errors='surrogatepass')).hexdigest()}"
