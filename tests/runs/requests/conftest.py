"""A post office on each kind of database."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.post_office import PostOffice, open_post_office
from tests.support.workers import nursery, start

__all__ = ["nursery", "start"]


@pytest.fixture
def office(database: str) -> Iterator[PostOffice]:
    """One with its tables."""
    with open_post_office(database) as office:
        yield office
