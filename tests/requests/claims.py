"""Holders of requests that a test plays: they claim, begin and die."""

from __future__ import annotations

from sexton.requests.claiming import Claims
from sexton.requests.ending import is_begun
from sexton.requests.holders import Holder
from tests.support.post_office import PostOffice


def claimed(office: PostOffice, holder: str, limit: int = 100) -> list[int]:
    """Whatever waits is now this holder's, who lives."""
    with office.engine.begin() as connection:
        Holder(holder, "worker", 3600.0).renew(connection)
        return [request.id for request in Claims(holder, "worker").claim(connection, limit)]


def dies(office: PostOffice, holder: str) -> None:
    """A holder is gone, and the leader has noticed."""
    with office.engine.begin() as connection:
        Holder(holder, "worker", 3600.0).leave(connection)
    office.keep_up()


def begins(office: PostOffice, holder: str, number: int) -> None:
    """It is known that the holder has this one in hand."""
    with office.engine.begin() as connection:
        is_begun(connection, holder, number)
