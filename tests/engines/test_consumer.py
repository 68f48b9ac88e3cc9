"""A process of an engine that loses its database with requests in hand, and goes on with the next message."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from sexton.db.connect import read_only
from sexton.db.database_identity import identity
from sexton.engines import consumer
from sexton.engines.carrier import EngineMessage, MessageKind
from tests.support.post_office import PostOffice, open_post_office


@pytest.fixture
def office(database: str) -> Iterator[PostOffice]:
    """One with its tables; what the process keeps for its next message is forgotten."""
    with open_post_office(database) as office:
        yield office
        consumer._shifts.clear()
        consumer.begin_anew()


def consume(office: PostOffice, *ids: int) -> None:
    """Do what a message with these numbers says."""
    with read_only(office.engine) as connection:
        database = identity(connection)
    message = EngineMessage(MessageKind.REQUEST, ids, database, 60.0, False)
    consumer.consume(office.app, message.to_json(), own_process=True)


@pytest.mark.parametrize("then", [consume, lambda *_: consumer.leave()])
def test_what_it_had_waits_again_at_no_cost(office: PostOffice, then: Callable[[PostOffice, int], None]) -> None:
    """D1: with the next message, or when the process ends; not only when its row has run out, as after a crash."""
    numbers = office.app.enqueue_many("post.write", [{"name": str(number)} for number in range(5)])
    lost = [True]

    def lose(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if lost[0] and "DELETE" in statement:
            raise OperationalError(statement, {}, Exception("the line is dead"))

    event.listen(office.engine, "before_cursor_execute", lose)
    consume(office, *numbers)
    assert set(office.states().values()) == {"running"}

    lost[0] = False
    then(office, office.app.enqueue("post.write", name="next"))

    assert {(str(row.state), row.attempt, row.crashes) for row in office.rows()} <= {("ready", 1, 0)}
    office.work()
    assert office.rows() == office.rows("dead_requests") == []
    assert sorted({*office.names()}) == ["0", "1", "2", "3", "4", "next"]
