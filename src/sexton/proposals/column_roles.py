"""What the columns of a table are for: a deadline, a birth, the end of the work, a deletion, a flag, a status."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.types import Boolean, Date, DateTime, Integer, String, TypeEngine

from .family_by_name import each, singular, words_of_name

_FILLERS = frozenset(each("at date day datetime dt dttm epoch int on stamp time timestamp ts tstamp unix utc when"))
"""Words that say of a column only that it is a time."""

_EXPIRY = frozenset(each("exp expiration expire expired expires expiry"))
_DEADLINES = (("valid", "to"), ("not", "after"), ("delete",), ("delete", "after"), ("purge",), ("purge", "after"))
_UNITS = {
    **dict.fromkeys(each("ms millis millisecond milliseconds"), "ms"),
    **dict.fromkeys(each("us micros microsecond microseconds"), "us"),
    **dict.fromkeys(each("epoch unix"), "s"),
}
"""Last words that say in what whole numbers count."""

_LENGTHS = frozenset(each("after day days hour hours in minute minutes seconds sec secs second"))
"""Last words of a length of time: `expires_in`."""

_ABOUT = frozenset(each("count misses notice notification notified reminder warned warning"))
"""What is told or counted about an end, and is none."""

_HELD = frozenset(each("active good held hold keep kept reserved valid"))
"""What an `…_until` says the end of a row about; `locked_until` says something else."""

_BIRTHS = each(
    "created creation inserted logged occurred recorded happened received generated raised emitted triggered entered "
    "added requested called performed attempted executed visited viewed event log action audit access changed sent "
    "started"
)
_NOUNS = frozenset(each("access action audit event log"))
"""Those of them that a column of text or numbers may hold itself, if no word for time stands beside it."""

_ENDS = each(
    "finished completed done settled stopped processed published sent delivered dispatched executed ended cancelled "
    "canceled discarded failed"
)
_REVOKED = (("revoked",), ("revocation",), ("invalidated",))
_DELETED = (("deleted",), ("removed",), ("trashed",), ("discarded",), ("soft", "deleted"), ("deletion",))
_USED = frozenset(
    each("access accessed active activity checkin heartbeat ping refresh refreshed renewed request seen used")
)
_CHANGED = (("updated",), ("modified",), ("changed",), ("last", "updated"), ("last", "modified"))


@dataclass(frozen=True, slots=True)
class Roles:
    """Names of columns by role, the most fitting first."""

    deadlines: tuple[str, ...]
    births: tuple[str, ...]
    ends: tuple[str, ...]
    revoked: tuple[str, ...]
    used: tuple[str, ...]
    changed: tuple[str, ...]
    read: tuple[str, ...]
    deleted: tuple[str, ...]
    times: tuple[str, ...]
    """Columns whose type is a time, whatever they are called."""
    statuses: tuple[str, ...]
    flags: Mapping[str, str]
    """Columns that are true or false, by what they say: "read", "done", "deleted"."""


def roles_of(columns: Mapping[str, TypeEngine[Any]], dialect: str) -> Roles:
    """The roles of a table's columns."""
    cores = {name: _core(name) for name, kind in columns.items() if _may_be_time(name, kind, dialect)}
    return Roles(
        deadlines=_sorted((name for name in cores if _is_deadline(name)), _deadline_rank),
        births=_ranked(cores, [(word,) for word in _BIRTHS], plain=True),
        ends=_ranked(cores, [(word,) for word in _ENDS]),
        revoked=_ranked(cores, _REVOKED),
        used=tuple(name for name, core in cores.items() if _is_use(core)),
        changed=_ranked(cores, _CHANGED),
        read=_ranked(cores, [("read",), ("seen",)]),
        deleted=_ranked(cores, _DELETED),
        times=tuple(name for name, kind in columns.items() if isinstance(kind, DateTime | Date)),
        statuses=tuple(name for name, kind in columns.items() if isinstance(kind, String) and _is_status(name)),
        flags=_flags(columns, dialect),
    )


def _may_be_time(name: str, kind: TypeEngine[Any], dialect: str) -> bool:
    if isinstance(kind, DateTime | Date):
        return True
    if not isinstance(kind, Integer) and not (dialect == "sqlite" and isinstance(kind, String)):
        return False
    return _NOUNS.isdisjoint(words_of_name(name)) or not _FILLERS.isdisjoint(words_of_name(name))


def unit_in(name: str) -> str | None:
    """In what the whole numbers of a column count, if its name says so: "ms" of `valid_until_ms`."""
    return _UNITS.get(words_of_name(name)[-1]) if words_of_name(name) else None


def _core(name: str) -> tuple[str, ...]:
    """What is left of a name without the words for time: "created" of createdAt, date_created, created_ts."""
    parts = words_of_name(name)
    parts = parts[:-1] if unit_in(name) and len(parts) > 1 else parts
    return tuple(word for word in parts if word not in _FILLERS)


def own_deadline(column: str, table: str) -> bool:
    """Whether the name says that the row as a whole is over then, and not something in it."""
    others = {*_core(column)} - _EXPIRY - {word for words in _DEADLINES for word in words} - {"until", "till", *_HELD}
    return others <= {singular(word) for word in words_of_name(table)} | {"refresh"}


def _is_use(core: tuple[str, ...]) -> bool:
    if core[:1] in (("last",), ("latest",)):
        return bool({*core[1:]} & _USED)
    return core in (("heartbeat",), ("refreshed",), ("rotated",), ("seen",))


def _is_deadline(name: str) -> bool:
    parts, core = words_of_name(name), _core(name)
    if not core or ({parts[-1], core[-1]} & _LENGTHS and core not in _DEADLINES) or {*core} & _ABOUT:
        return False
    if core[-1] in ("until", "till"):
        return len(core) > 1 and core[-2] in _HELD
    return bool({*core} & _EXPIRY) or core in _DEADLINES


def _deadline_rank(name: str) -> tuple[bool, bool, str]:
    """The row's own deadline before that of something in it; a refresh token outlives the others."""
    core = _core(name)
    return "refresh" not in core, len(core) > 1 and core not in _DEADLINES, name


def _sorted(names: Iterable[str], rank: Any) -> tuple[str, ...]:
    return tuple(sorted(names, key=rank))


def _ranked(
    cores: Mapping[str, tuple[str, ...]], wanted: Iterable[tuple[str, ...]], *, plain: bool = False
) -> tuple[str, ...]:
    """Columns whose core is wanted, in that order. plain: then those that are called time, date, timestamp."""
    order = [*wanted, *([()] if plain else [])]
    return _sorted(
        (name for name, core in cores.items() if core in order), lambda name: (order.index(cores[name]), name)
    )


def _is_status(name: str) -> bool:
    return words_of_name(name)[-1:] in (("status",), ("state",))


def _flags(columns: Mapping[str, TypeEngine[Any]], dialect: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, kind in columns.items():
        # SQLite keeps truth values as whole numbers; elsewhere such a column may be a count.
        if isinstance(kind, Boolean) or (dialect == "sqlite" and isinstance(kind, Integer)):
            core = tuple(word for word in words_of_name(name) if word not in ("is", "has", "was"))
            if core in (("read",), ("seen",)):
                found.setdefault("read", name)
            elif core in _DELETED[:-1]:
                found.setdefault("deleted", name)
            elif len(core) == 1 and core[0] in _ENDS:
                found.setdefault("done", name)
    return found
