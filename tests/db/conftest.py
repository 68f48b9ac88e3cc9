"""A database that is not ours alone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.databases import Databases
from tests.support.roles import Town, new_town, quoted


@pytest.fixture
def town(databases: Databases, database_kind: str) -> Iterator[Town]:
    """`boss` runs the jobs; `mallory` may make schemas, as everybody may."""
    with new_town(databases, database_kind) as town:
        town.role("boss")
        town.role('mallory "m"')
        town.do(f"GRANT CREATE ON DATABASE {quoted(town.database)} TO PUBLIC")
        yield town
