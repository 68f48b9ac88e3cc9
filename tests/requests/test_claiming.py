"""Claims: each request is one process's, in order, off an index that does not grow with what was done before."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event, text

from sexton import Wish
from sexton.requests import claiming
from sexton.requests.claiming import MAX_CLAIM, Claims
from sexton.requests.holders import Holder
from tests.support.patience import PATIENCE
from tests.support.post_office import PostOffice


def take(office: PostOffice, claims: Claims, limit: int) -> list[int]:
    with office.engine.begin() as connection:
        Holder(claims.holder, "worker", 3600.0).renew(connection)
        return [request.id for request in claims.claim(connection, limit)]


def test_the_highest_priority_and_the_oldest_go_first(office: PostOffice) -> None:
    app = office.app
    plain = app.enqueue_many("post.write", [{}] * 3)
    low = app.enqueue("post.write", wish=Wish(priority=-5))
    high = app.enqueue_many("post.write", [{}] * 2, wish=Wish(priority=5))

    assert take(office, Claims("a", "worker"), 100) == [*high, *plain, low]


def test_one_of_a_higher_priority_is_not_passed_by_the_floor(office: PostOffice) -> None:
    app, claims = office.app, Claims("a", "worker")
    plain = app.enqueue_many("post.write", [{}] * 4)
    assert take(office, claims, 2) == plain[:2]
    high = app.enqueue("post.write", wish=Wish(priority=5))

    assert take(office, claims, 2) == [high, plain[2]]


def test_none_is_taken_by_two(office: PostOffice) -> None:
    numbers = office.app.enqueue_many("post.write", [{}] * 250)
    first, second = Claims("a", "worker"), Claims("b", "worker")

    taken = [take(office, claims, 1_000) for claims in (first, second, first, second)]

    assert [len(some) for some in taken] == [MAX_CLAIM, MAX_CLAIM, 50, 0]
    assert sorted(number for some in taken for number in some) == numbers


def test_no_claim_takes_what_another_engine_carries(office: PostOffice) -> None:
    number = office.app.enqueue("post.write")

    assert take(office, Claims("a", "celery"), 10) == []
    with office.engine.begin() as connection:
        taken = Claims("a", "celery").claim_these(connection, [number, number + 1])
        assert [request.id for request in taken] == [number]
        assert Claims("b", "worker").claim_these(connection, [number]) == []


def test_a_delayed_one_is_not_begun_before_its_time(office: PostOffice) -> None:
    number = office.app.enqueue("post.write", wish=Wish(delay="1h"), name="later")
    office.keep_up()
    office.work()
    assert office.states() == {number: "delayed"}

    office.past(number, "run_at")
    assert office.keep_up() is True
    assert office.keep_up() is False
    office.work()

    assert office.names() == ["later"]


@pytest.mark.databases("postgres")
def test_one_that_is_committed_late_is_found(office: PostOffice, monkeypatch: pytest.MonkeyPatch) -> None:
    """The floor passes what it has not seen; from the start again shows it."""
    claims = Claims("a", "worker")
    with office.engine.connect() as late:
        first = office.app.enqueue("post.write", using=late)
        others = office.app.enqueue_many("post.write", [{}] * 3)
        monkeypatch.setattr(claiming, "FROM_THE_START_SECONDS", PATIENCE * 10)
        assert take(office, claims, 2) == others[:2]
        late.commit()
    assert take(office, claims, 1) == others[2:]

    assert take(office, claims, 1) == [first]  # behind the floor is nothing: it begins at the head at once


READY = "sexton_requests_ready"


class Statements:
    """What is sent to the database, to be explained as it was sent."""

    def __init__(self, engine: Engine) -> None:
        self.sent: list[tuple[str, Any]] = []
        event.listen(engine, "before_cursor_execute", self._note)

    def _note(self, _connection: Any, _cursor: Any, sql: str, values: Any, _context: Any, _many: bool) -> None:
        self.sent.append((sql, values))

    def claim(self) -> tuple[str, Any]:
        """The last claim."""
        return next((sql, values) for sql, values in reversed(self.sent) if "picked" in sql and "UPDATE" in sql)


def plan_of(connection: Connection, statement: tuple[str, Any], *, run: bool = False) -> dict[str, Any]:
    """As PostgreSQL explains it; run: with the buffers that it touched."""
    how = "ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON" if run else "FORMAT JSON"
    found = connection.exec_driver_sql(f"EXPLAIN ({how}) {statement[0]}", statement[1]).scalar_one()
    return dict((json.loads(found) if isinstance(found, str) else found)[0]["Plan"])


def nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    """All parts of a plan."""
    return [plan, *(node for inner in plan.get("Plans", ()) for node in nodes(inner))]


def buffers(plan: dict[str, Any]) -> int:
    """Pages that were touched."""
    return int(plan["Shared Hit Blocks"]) + int(plan["Shared Read Blocks"])


def fill(office: PostOffice, rows: int) -> None:
    """So many that wait, by SQL; statistics are those of the table before."""
    names = "job, args, args_version, priority, attempt, attempts, created_at, engine, state"
    values = "'post.write', '{}', 1, 0, 1, 5, clock_timestamp(), 'worker', 'ready'"
    with office.engine.begin() as connection:
        connection.execute(
            text(f"INSERT INTO sexton.requests ({names}) SELECT {values} FROM generate_series(1, {rows})")
        )


@pytest.mark.databases("postgres18")
@pytest.mark.parametrize("analyzed", [False, True])
def test_a_claim_from_many_reads_no_scan(office: PostOffice, analyzed: bool) -> None:
    """Whatever the statistics say: a table that was empty a moment ago has none."""
    fill(office, 200_000)
    if analyzed:
        with office.engine.connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT").execute(text("ANALYZE sexton.requests"))
    statements, claims = Statements(office.engine), Claims("a", "worker")

    for _ in range(2):  # from the head, and behind the floor
        assert len(take(office, claims, 100)) == 100
        with office.engine.connect() as connection:
            plan = plan_of(connection, statements.claim(), run=True)
            connection.rollback()
        kinds = {(node["Node Type"], node.get("Index Name")) for node in nodes(plan) if "requests" in str(node)}
        assert ("Seq Scan", None) not in kinds, kinds
        assert not any(node["Node Type"] in ("Sort", "Seq Scan", "Bitmap Heap Scan") for node in nodes(plan)), kinds
        assert READY in {node.get("Index Name") for node in nodes(plan)}
        assert buffers(plan) < 10_000  # of some 100 rows and their indexes; the whole table has more


@pytest.mark.databases("postgres18")
def test_while_an_old_snapshot_is_held_claims_pass_what_is_dead(office: PostOffice) -> None:
    """D9: what was done stays in the index as long as somebody's snapshot does; a claim does not read it again."""
    statements, claims = Statements(office.engine), Claims("a", "worker")
    fill(office, 20_000)
    with office.engine.connect() as old:
        old.execution_options(isolation_level="REPEATABLE READ").execute(text("SELECT count(*) FROM sexton.requests"))
        touched = []
        for _ in range(150):
            claims._from_start = time.monotonic()  # not a second has passed
            ids = take(office, claims, 100)
            with office.engine.begin() as connection:
                connection.execute(text("DELETE FROM sexton.requests WHERE id = ANY (:ids)"), {"ids": ids})
        with office.engine.connect() as connection:
            for statement in (statements.claim(), _from_the_head(statements)):
                found = nodes(plan_of(connection, statement, run=True))
                touched.append(next(buffers(node) for node in found if node.get("Index Name") == READY))
                connection.rollback()

    behind, head = touched
    assert behind * 5 < head, touched


def _from_the_head(statements: Statements) -> tuple[str, Any]:
    return next((sql, values) for sql, values in statements.sent if "picked" in sql and "floor_id" not in sql)


@pytest.mark.databases("postgres18")
def test_what_a_leader_asks_each_second_reads_no_scan(office: PostOffice) -> None:
    fill(office, 100_000)
    with office.engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").execute(text("ANALYZE sexton.requests"))
    statements = Statements(office.engine)
    office.keep_up()

    with office.engine.connect() as connection:
        for sql, values in [*statements.sent]:
            if "requests" in sql and not sql.startswith("INSERT"):
                scans = [node for node in nodes(plan_of(connection, (sql, values))) if node["Node Type"] == "Seq Scan"]
                assert not any(node["Relation Name"] == "requests" for node in scans), sql
