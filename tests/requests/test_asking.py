"""Asking for a job on demand: in the caller's transaction or not at all, checked before anything is written."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, create_engine, insert, select, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from sexton import Wish
from sexton.db.many_rows import next_numbers
from sexton.db.tables import own_tables
from sexton.errors import SextonError, UsageError
from sexton.requests import asking
from tests.support.post_office import PostOffice
from tests.support.request_jobs import WRITTEN

ROW = {"request": 0, "attempt": 0, "name": "the product's own", "process": 0}


def test_asked_for_in_the_transaction_of_the_caller(office: PostOffice) -> None:
    """S5: what is rolled back was never asked for."""
    with office.engine.connect() as connection:
        connection.execute(insert(WRITTEN), ROW)
        office.app.enqueue("post.write", using=connection, name="never")
        office.app.enqueue_many("post.write", [{"name": "nor these"}] * 3, using=connection)
        connection.rollback()
    assert office.rows() == []

    with office.engine.begin() as connection:
        connection.execute(insert(WRITTEN), ROW)
        number = office.app.enqueue("post.write", using=connection, name="with it")
    office.work()

    assert office.names() == ["the product's own", "with it"]
    assert [(run.job, run.state) for run in office.runs()] == [("post.write", "succeeded")]
    assert number not in office.states()


def test_asked_for_in_a_session_of_mapped_objects(office: PostOffice) -> None:
    with Session(office.engine) as session:
        office.app.enqueue("post.write", using=session, name="rolled back")
        session.rollback()
        office.app.enqueue("post.write", using=session, name="committed")
        session.commit()
    office.work()

    assert office.names() == ["committed"]


def test_asked_for_in_a_transaction_of_its_own(office: PostOffice) -> None:
    office.app.enqueue("post.write", name="a", day=date(2026, 12, 1))
    office.work()

    assert office.names() == ["a"]


@pytest.mark.databases("postgres")
async def _asked_for_asynchronously(office: PostOffice) -> None:
    from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

    engine = create_async_engine(office.engine.url.set(drivername="postgresql+psycopg_async"))
    async with engine.connect() as connection:
        await office.app.enqueue_async("post.write", using=connection, name="rolled back")
        await connection.rollback()
        await office.app.enqueue_async("post.write", using=connection, wish=Wish(unique="k"), name="a")
        await connection.commit()
    async with AsyncSession(engine) as session:
        await office.app.enqueue_async("post.write", using=session, name="b")
        await session.commit()
    await engine.dispose()


@pytest.mark.databases("postgres")
def test_asked_for_in_an_asynchronous_transaction(office: PostOffice) -> None:
    import asyncio

    asyncio.run(_asked_for_asynchronously(office))
    office.work()

    assert office.names() == ["a", "b"]


WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("post.writ", {}, "no job named 'post.writ'; did you mean post.write"),
    ("post.write", {"nam": "x"}, "there is no argument 'nam'; did you mean name"),
    ("post.wait", {}, "folder must be given"),
    ("post.write", {"name": 7}, "name must be text, not int"),
    ("post.write", {"day": "today"}, "day must be a date or nothing, not str"),
    ("post.plain", {"name": "x"}, "is not on demand: it takes no arguments"),
]


@pytest.mark.parametrize(("job", "arguments", "said"), WRONG)
def test_what_is_wrong_is_said_in_one_line_and_nothing_is_written(
    office: PostOffice, job: str, arguments: dict[str, Any], said: str
) -> None:
    with office.engine.begin() as connection:
        with pytest.raises(UsageError) as caught:
            office.app.enqueue(job, using=connection, **arguments)
        connection.execute(insert(WRITTEN), ROW)  # the caller's transaction is as good as before

    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert office.rows() == []
    assert office.runs() == []
    assert office.names() == ["the product's own"]


@pytest.mark.parametrize("wish", [Wish(), Wish(unique="k"), Wish(delay="1m"), Wish(serial="s")])
def test_of_many_none_is_written_when_one_misfits(office: PostOffice, wish: Wish) -> None:
    many: list[dict[str, Any]] = [*({"name": str(number)} for number in range(50)), {"name": 51}]

    with office.engine.begin() as connection, pytest.raises(UsageError, match="name must be text, not int"):
        office.app.enqueue_many("post.write", many, using=connection, wish=wish)

    assert office.rows() == []


def test_many_keep_all_rules(office: PostOffice) -> None:
    app = office.app

    delayed = app.enqueue_many("post.write", [{}] * 2, wish=Wish(delay="1h", priority=7, attempts=3))
    serial = app.enqueue_many("post.write", [{}] * 2, wish=Wish(serial="s"))
    unique = app.enqueue_many("post.write", [{}] * 2, wish=Wish(unique="u"))
    unique += app.enqueue_many("post.write", [{}], wish=Wish(unique="u"))
    app.enqueue_many("post.write", [])

    rows = {row.id: row for row in office.rows()}
    assert [rows[one].state for one in (*delayed, *serial)] == ["delayed", "delayed", "blocked", "blocked"]
    assert {(rows[one].priority, rows[one].attempts) for one in delayed} == {(7, 3)}
    assert all(rows[one].run_at - rows[one].created_at == timedelta(hours=1) for one in delayed)
    assert len(set(unique)) == 1
    assert len(rows) == 5


def test_many_are_called_once_each_in_their_order(office: PostOffice) -> None:
    many = [f"{number:05}" for number in range(6_000)]

    with office.engine.begin() as connection:
        numbers = office.app.enqueue_many("post.finish", ({"name": name} for name in many), using=connection)
    assert len(numbers) == 6_000 == len(office.rows())
    assert numbers == sorted(set(numbers))

    table = own_tables(office.engine.dialect.name).requests
    with office.engine.begin() as connection:
        connection.execute(table.delete().where(table.c.id > numbers[300]))
    office.work()

    assert office.names() == many[:301]


def test_numbers_are_never_used_again(office: PostOffice) -> None:
    """A number in a log means one request, also on SQLite, which would give the highest again."""
    first = office.app.enqueue("post.write")
    many = office.app.enqueue_many("post.write", [{}] * 10)
    office.work()
    assert office.rows() == []

    later = [office.app.enqueue("post.write"), *office.app.enqueue_many("post.write", [{}] * 2)]

    assert min(later) > max(first, *many)


@pytest.mark.databases("sqlite")
def test_numbers_of_many_are_nobody_elses_beside_a_rival(office: PostOffice, monkeypatch: pytest.MonkeyPatch) -> None:
    """The product's connection begins its transaction with the first change: a rival may have written before that."""
    office.app.enqueue("post.write")
    product = create_engine(office.engine.url, connect_args={"timeout": 0})
    rival = create_engine(office.engine.url, connect_args={"timeout": 0})
    refused: list[Exception] = []

    def beside_it(connection: Connection, *about: Any) -> list[int]:
        numbers = next_numbers(connection, *about)
        try:
            with rival.begin() as other:
                office.app.enqueue("post.write", using=other)
        except OperationalError as error:
            refused.append(error)
        return numbers

    monkeypatch.setattr(asking, "next_numbers", beside_it)
    with product.begin() as connection:
        many = office.app.enqueue_many("post.write", [{}] * 3, using=connection)

    assert len(refused) == 1  # it had to wait
    assert len(many) == 3
    product.dispose()
    rival.dispose()


def test_a_job_without_on_demand_is_asked_for_as_ever(office: PostOffice) -> None:
    with office.engine.begin() as connection:
        number = office.app.enqueue("post.plain", using=connection)

    assert [(run.id, run.job, run.state) for run in office.runs()] == [(number, "post.plain", "queued")]
    with pytest.raises(UsageError, match="is not on demand"):
        office.app.enqueue_many("post.plain", [{}])


def test_another_kind_of_connection_is_refused(office: PostOffice) -> None:
    from sqlalchemy import create_engine

    other = create_engine("sqlite://")
    with pytest.raises(UsageError, match="give a Connection or a Session"):
        office.app.enqueue("post.write", using=other)  # type: ignore[arg-type]
    if office.engine.dialect.name != "sqlite":
        with other.connect() as connection, pytest.raises(UsageError, match="using: a connection to sqlite"):
            office.app.enqueue("post.write", using=connection)
    other.dispose()


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        ({"delay": "-1s"}, "delay"),
        ({"delay": timedelta(days=10_000)}, "delay must be 0 to 3660 days"),
        ({"delay": "soon"}, "wish: delay"),
        ({"priority": 1.5}, "priority must be -1000 to 1000"),
        ({"priority": 1001}, "priority must be -1000 to 1000"),
        ({"attempts": 0}, "attempts must be 1 to 100"),
        ({"unique": ""}, "unique must be a text of 1 to 500 characters"),
        ({"serial": "x" * 501}, "serial must be a text of 1 to 500 characters"),
        ({"unique": "a\0"}, "a character that no database keeps"),
        ({"unique": "\udc80"}, "a character that no database keeps"),
    ],
)
def test_wishes_that_cannot_be(wish: dict[str, Any], said: str) -> None:
    with pytest.raises(SextonError) as caught:
        Wish(**wish)

    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.databases("postgres")
def test_a_sleeping_worker_is_rung_for_and_a_busy_one_is_not(office: PostOffice) -> None:
    """Each NOTIFY makes commits wait for each other, so there is one only while a worker says that it sleeps."""
    from sexton.requests.holders import Holder

    with office.engine.connect() as listening:
        listening.execution_options(isolation_level="AUTOCOMMIT").execute(text("LISTEN sexton_requests"))
        driver: Any = listening.connection.driver_connection
        heard = []
        for idle in (False, True):
            with office.engine.begin() as connection:
                Holder("w", "worker", 3600.0).renew(connection, idle=idle)
            office.app.enqueue("post.write")
            office.app.enqueue_many("post.write", [{}] * 3)
            office.app.enqueue("post.write", wish=Wish(delay="1h"))
            listening.execute(select(1)).all()
            heard.append(len(list(driver.notifies(timeout=0))))

    assert heard == [0, 2]
