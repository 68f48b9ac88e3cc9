"""Local times of a zone as columns without zone hold them: which instant each means, and where instants lie among them.

A local time that comes twice means the second time, and one that is skipped the end of the gap. So a row is never due
an hour early, and later times never mean earlier instants: one comparison with a local time is enough.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo

from .clock_changes import pieces
from .duration import TICK
from .span import Span, add_months

_LONGEST_REPEAT = timedelta(hours=26)
"""No zone sets its clocks back by more; whole days were repeated where the date line moved."""


def instant_of(local: datetime, zone: tzinfo) -> datetime:
    """The instant that a local time without zone means."""
    before, after = (local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if before <= after:
        return after
    return next(piece.start for piece in pieces(zone, after, before + timedelta(seconds=1)) if piece.start > after)


def local_of(at: datetime, zone: tzinfo) -> datetime:
    """What clocks show then, without zone."""
    return at.astimezone(zone).replace(tzinfo=None, fold=0)


def first_at(at: datetime, zone: tzinfo) -> datetime:
    """The first of the local times that mean this instant or a later one: all before it, and no other, are before."""
    found = [local_of(at, zone)]
    for piece in pieces(zone, at, at + _LONGEST_REPEAT):
        if piece.start == at and piece.jump > timedelta():
            found.append(found[0] - piece.jump)
        elif piece.start > at and piece.jump < timedelta():
            found.append(local_of(piece.start, zone))
    return min(found)


def away_from(at: datetime, span: Span, zone: tzinfo) -> datetime:
    """The instant `span` away; months are those of the local calendar."""
    if not span.months:
        return at + span.length
    local = add_months(local_of(at, zone), span.months)
    return max(local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)) + span.length


def just_after(at: datetime, *, inclusive: bool) -> datetime:
    """The instant below which everything lies that is before `at`; inclusive: or is `at` itself."""
    return at + TICK if inclusive else at
