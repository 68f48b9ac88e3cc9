"""Which tables of a SQLite file refer to another one; PostgreSQL's own catalogue is asked where it is needed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sqlalchemy import Connection, Table, bindparam, text

_REFERENCES = text(
    'SELECT m.name, k.id, k."from", k."to" FROM sqlite_master m, pragma_foreign_key_list(m.name) k'
    " WHERE m.type = 'table' AND k.\"table\" = :name COLLATE NOCASE AND k.on_delete IN :rules"
    " ORDER BY m.name, k.id, k.seq"
).bindparams(bindparam("rules", expanding=True))
"""A key without "to" refers to the primary key."""


def referring_tables(
    connection: Connection, parent: Table, rules: Iterable[str]
) -> Iterator[tuple[str, dict[str, str]]]:
    """Every foreign key to this table: the child, and which of its columns refers to which, in small letters.

    rules: what it says ON DELETE, "CASCADE".  "" stands for a column that the table has not.
    """
    keys = [one.name.lower() for one in parent.primary_key.columns if not one.system]
    found: dict[tuple[str, int], dict[str, str]] = {}
    for child, number, referring, referred in connection.execute(
        _REFERENCES, {"name": parent.name, "rules": list(rules)}
    ):
        pairs = found.setdefault((child, number), {})
        pairs[referring] = referred.lower() if referred else next(iter(keys[len(pairs) :]), "")
    for (child, _), pairs in found.items():
        yield child, pairs
