"""What a call to the outside can come to. Functions of `Call` and channels answer with these, and with nothing else.

    Done      it is so: closed                          Unknown  nobody knows: the answer was lost
    Again     not yet: tried later                      Down     the other side as a whole cannot be reached
    Failed    never, and somebody has to know           an exception: Again, and only its kind is kept
    Gone      never, as there is nobody any more

`why` is for people: one line without secrets. `then` is called with the connection of the transaction in which the
answer is recorded; it commits with the record, or not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Then = Callable[[Any], object]
"""Gets the SQLAlchemy connection of the transaction that records the answer. Keep it short; never call out there."""


class _Checked:
    """TypeError where a field is not what its type says: a mistake of the function, which must not stop the others."""

    __slots__ = ()

    def __post_init__(self) -> None:
        for name, kinds, what in _FIELDS:
            given = getattr(self, name, None)
            if given is not None and not isinstance(given, kinds):
                raise TypeError(f"{type(self).__name__}: {name} must be {what}, not {type(given).__name__}")


_FIELDS: tuple[tuple[str, tuple[type, ...], str], ...] = (
    ("why", (str,), "a text"),
    ("after", (int, float), "a number of seconds"),
    ("values", (Mapping,), "a mapping of column names to values"),
)


@dataclass(frozen=True, slots=True)
class Done(_Checked):
    """It came to its end. values: column -> new value, of the row.  then: more to write.

    if_moved: called instead of `then` when the row has moved since it was picked: money that came for an order that
    was cancelled meanwhile.
    """

    values: Mapping[str, Any] = field(default_factory=dict)
    then: Then | None = None
    if_moved: Then | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Again(_Checked):
    """Not yet. after: seconds that the other side asked for (Retry-After), None when it did not; at most a day of it
    counts.  counts: False, where this was no attempt: the other side has not even looked at it.
    fault: the other side failed (a 5xx, a timeout); when three different rows in sequence end so, it rests as a whole.
    """

    why: str = ""
    after: float | None = None
    counts: bool = True
    fault: bool = False
    values: Mapping[str, Any] = field(default_factory=dict)
    then: Then | None = None


@dataclass(frozen=True, slots=True)
class Failed(_Checked):
    """Never: trying again cannot help, and a person should know."""

    why: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    then: Then | None = None


@dataclass(frozen=True, slots=True)
class Gone(_Checked):
    """Never, as whoever was called is there no more: an address given up, an endpoint deleted. Nobody is alarmed."""

    why: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    then: Then | None = None


@dataclass(frozen=True, slots=True)
class Unknown(_Checked):
    """The answer was lost after all was handed over: it may have been done. What follows says `Call.on_unknown`."""

    why: str = ""


@dataclass(frozen=True, slots=True)
class Down(_Checked):
    """The other side as a whole: no connection, no credentials, too many requests. The row loses no attempt.

    after: seconds that it asked for.  lasting: no use before somebody changes something, such as credentials.
    counts: True, where it was an attempt all the same: a stranger's endpoint that is down for ever ends so.
    last: True, where the row has waited long enough: it is given up with this call.
    """

    why: str = ""
    after: float | None = None
    lasting: bool = False
    counts: bool = False
    last: bool = False


CallOutcome = Done | Again | Failed | Gone | Unknown | Down
