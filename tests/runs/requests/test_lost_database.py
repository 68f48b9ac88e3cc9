"""Shifts that lose their database, for a moment or in the middle of a transaction."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import event, insert, text
from sqlalchemy.exc import OperationalError

from sexton import RequestRun
from tests.support.post_office import PostOffice
from tests.support.request_jobs import WRITTEN

from .test_shift import ROW, call


def test_a_shift_that_loses_its_database_gives_back_what_it_had_at_no_cost(office: PostOffice) -> None:
    """D1: what had ended is written, and what was claimed waits again: no attempt is charged."""
    numbers = office.app.enqueue_many("post.write", [{"name": str(number)} for number in range(300)])
    writing = office.app.enqueue("post.write", name="last")
    shift, lost = office.shift(), [True]

    def lose(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if lost[0] and shift.done > 3 and "DELETE" in statement:
            raise OperationalError(statement, {}, Exception("the line is dead"))

    event.listen(office.engine, "before_cursor_execute", lose)
    with pytest.raises(OperationalError):
        office.work(shift)
    with pytest.raises(OperationalError):
        office.work(shift)
    lost[0] = False
    assert shift.broken
    shift.recover()

    assert {(str(row.state), row.attempt, row.crashes) for row in office.rows()} == {("ready", 1, 0)}
    assert office.rows("workers") == []
    office.work()
    assert sorted(office.names(), key=lambda name: (name == "last", len(name), name)) == [*map(str, range(300)), "last"]
    assert writing > max(numbers)


@pytest.mark.databases("postgres")
def test_the_database_ends_our_session_in_the_middle(office: PostOffice) -> None:
    def work(run: RequestRun) -> None:
        """Loses its session the first time."""
        with run.transaction() as connection:
            connection.execute(insert(WRITTEN), ROW)
            if run.attempt == 1:
                connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

    number = call(office, work, first_retry="1s")
    assert office.names() == []
    office.past(number, "run_at")
    office.keep_up()
    office.work()

    assert office.names() == ["row"]
