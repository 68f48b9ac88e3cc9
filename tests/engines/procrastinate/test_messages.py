"""Messages in Procrastinate's tables: written with the rows, forgotten, counted, swept; nobody else's code called."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from sexton.app import App
from sexton.config import Settings
from sexton.db.database_identity import identity
from sexton.engines.carrier import EngineMessage, EngineUnreachable, MessageKind
from sexton.engines.procrastinate import messages
from sexton.engines.procrastinate.engine import ProcrastinateEngine
from sexton.engines.procrastinate.options import ProcrastinateOptions
from sexton.errors import SettingsError
from tests.support.databases import Databases
from tests.support.past_runs import add_runs, run_row
from tests.support.roles import new_town

pytestmark = pytest.mark.databases("postgres")

RUN, REQUEST = MessageKind.RUN, MessageKind.REQUEST


def message(app: App, *ids: int, kind: MessageKind = RUN, high: bool = False) -> EngineMessage:
    """Of the app's database."""
    with app.database.begin() as connection:
        return EngineMessage(kind, ids, identity(connection), seconds=60.0, high=high)


def jobs(app: App) -> list[tuple[str, str, int, list[int]]]:
    """Queue, status, priority, ids of each message."""
    asked = (
        "SELECT queue_name, CAST(status AS text), priority, args->'message'->'ids', lock, queueing_lock, scheduled_at"
    )
    with app.database.begin() as connection:
        rows = connection.execute(text(f"{asked} FROM procrastinate.procrastinate_jobs ORDER BY id")).all()
    assert all(row[4:] == (None, None, None) for row in rows)  # neither lock, and no time
    return [tuple(row[:4]) for row in rows]


def take(connection: Connection, worker: int | None = None) -> int | None:
    """As a worker takes the next message."""
    with messages.searching(connection, "procrastinate"):
        taken = text("SELECT id FROM procrastinate_fetch_job_v2(NULL, :worker)")
        found: int | None = connection.execute(taken, {"worker": worker or a_worker(connection)}).scalar()
    return found


def a_worker(connection: Connection, seconds: float = 0.0) -> int:
    """A worker that gave its last sign of life so long ago."""
    born = text(
        "INSERT INTO procrastinate.procrastinate_workers (last_heartbeat)"
        " VALUES (now() - make_interval(secs => :seconds)) RETURNING id"
    )
    return int(connection.execute(born, {"seconds": seconds}).scalar_one())


def test_t1_9_what_is_rolled_back_was_never_handed_on(app: App, carrier: ProcrastinateEngine) -> None:
    one, other = message(app, 1), message(app, 2)
    with app.database.connect() as connection:
        with connection.begin():
            carrier.submit(one, using=connection)
            connection.get_transaction().rollback()  # type: ignore[union-attr]
        with connection.begin():
            carrier.submit(other, using=connection)
        assert [ids for *_, ids in jobs(app)] == [[2]]


def test_bj_25_high_goes_first_in_a_queue_of_its_own(app: App, carrier: ProcrastinateEngine) -> None:
    carrier.submit(message(app, 1, 2, kind=REQUEST))
    carrier.submit(message(app, 3, high=True))

    assert jobs(app) == [("sexton", "todo", 0, [1, 2]), ("sexton.high", "todo", 10, [3])]
    with app.database.begin() as connection:
        assert (take(connection), take(connection), take(connection)) == (2, 1, None)


def test_the_search_path_is_as_before(app: App, carrier: ProcrastinateEngine) -> None:
    told = message(app, 1)
    with app.database.connect() as connection:
        with connection.begin():
            before = connection.execute(text("SHOW search_path")).scalar()
            carrier.submit(told, using=connection)
            assert connection.execute(text("SHOW search_path")).scalar() == before
        with connection.begin():
            assert connection.execute(text("SHOW search_path")).scalar() == before


def test_without_its_tables_the_transaction_of_the_caller_goes_on(app: App, bare: ProcrastinateEngine) -> None:
    told = message(app, 1)
    with app.database.begin() as connection:
        connection.execute(text("CREATE TABLE public.kept (id integer)"))
        with pytest.raises(EngineUnreachable, match="run: sexton engines migrate"):
            bare.submit(told, using=connection)
        before = connection.execute(text("SHOW search_path")).scalar()
        assert before is not None
        assert "procrastinate" not in before
    with app.database.begin() as connection:
        assert connection.execute(text("SELECT count(*) FROM public.kept")).scalar() == 0
    health = bare.health()
    assert not health.reachable
    assert "sexton engines migrate" in health.trouble
    theirs = ProcrastinateEngine(app, ProcrastinateOptions(app="shop.tasks:app", schema="procrastinate"))
    assert theirs.health().trouble.endswith("; migrate those of shop.tasks:app")  # which the command refuses


def test_cancelled_messages_never_start_and_those_under_way_are_aborted(app: App, carrier: ProcrastinateEngine) -> None:
    for ids in [(1,), (2,), (2, 3), (4,)]:
        carrier.submit(message(app, *ids))
    carrier.submit(message(app, 2, kind=REQUEST))
    with app.database.begin() as connection:
        assert take(connection) == 1

    carrier.cancel(RUN, [1, 2])

    assert [(status, ids) for _, status, _, ids in jobs(app)] == [
        ("doing", [1]),
        ("todo", [2, 3]),
        ("todo", [4]),
        ("todo", [2]),
    ]
    with app.database.begin() as connection:
        aborted = text("SELECT id FROM procrastinate.procrastinate_jobs WHERE abort_requested")
        assert connection.execute(aborted).scalars().all() == [1]


def test_health_tells_what_waits_since_when_and_who_works(app: App, carrier: ProcrastinateEngine) -> None:
    idle = carrier.health()
    assert (idle.reachable, idle.workers, idle.waiting, idle.oldest, idle.trouble) == (True, 0, 0, None, "")
    before = datetime.now(UTC)
    for number in (1, 2, 3):
        carrier.submit(message(app, number))
    with app.database.begin() as connection:
        a_worker(connection, seconds=3600)
        take(connection)

    health = carrier.health()

    assert (health.reachable, health.workers, health.waiting, health.trouble) == (True, 1, 2, "")
    assert health.oldest is not None
    assert abs((health.oldest - before).total_seconds()) < 3600


def test_s_dead_workers_leave_messages_that_are_swept_and_nothing_of_others_is(
    app: App, carrier: ProcrastinateEngine
) -> None:
    """A worker's -9 leaves `doing`, and nobody else ever looks at that."""
    for number in range(1, 6):
        carrier.submit(message(app, number))
    now = datetime.now(UTC)
    add_runs(app.database, run_row("shop.job", "running", now), run_row("shop.job", "succeeded", now))  # runs 1 and 2
    with app.database.begin() as connection:
        living, dead = a_worker(connection), a_worker(connection, seconds=3600)
        for worker in (living, living, dead, living):
            take(connection, worker)
        old = text("UPDATE procrastinate.procrastinate_events SET at = at - interval '1 hour' WHERE job_id < 4")
        connection.execute(old)
        connection.execute(
            text(
                "INSERT INTO procrastinate.procrastinate_jobs (queue_name, task_name, status, args) VALUES"
                " ('sexton', 'shop.pack', 'doing', '{}'), ('sexton', 'shop.pack', 'succeeded', '{}'),"
                " ('sexton', 'sexton.consume', 'succeeded', '{}'), ('sexton', 'sexton.consume', 'doing', '3')"
            )
        )

    carrier.keep_up()

    left = [(status, ids) for _, status, _, ids in jobs(app)]
    assert left == [
        ("doing", [1]),  # its run goes on
        # 2: its run is over, its worker could not say so.  3: its worker is dead
        ("doing", [4]),  # has just begun
        ("todo", [5]),
        ("doing", None),
        ("succeeded", None),
    ]
    carrier.keep_up()  # not again within a minute
    assert len(jobs(app)) == len(left)


def test_sec_1_nothing_is_called_where_others_may_put_code(databases: Databases, database_kind: str) -> None:
    with new_town(databases, database_kind, migrated=True) as town:
        mallory = town.role("mallory")
        app = App(Settings(database=town.url))
        carrier = ProcrastinateEngine(app, ProcrastinateOptions())
        carrier.migrate()
        town.do(f'GRANT CREATE, USAGE ON SCHEMA procrastinate TO "{mallory}"')

        with pytest.raises(EngineUnreachable, match="may create in its schema procrastinate"):
            carrier.submit(message(app, 1))
        assert "may create" in carrier.health().trouble
        app.database.dispose()


def test_on_sqlite_the_engine_says_what_it_needs() -> None:
    with pytest.raises(SettingsError, match="keeps its messages in PostgreSQL"):
        ProcrastinateEngine(App(Settings(database="sqlite://")), ProcrastinateOptions())


def test_a_lost_session_is_not_the_engines_fault(app: App, carrier: ProcrastinateEngine, engine: Engine) -> None:
    told = message(app, 1)
    with app.database.connect() as connection:
        number = connection.execute(text("SELECT pg_backend_pid()")).scalar()
        with engine.begin() as other:
            other.execute(text("SELECT pg_terminate_backend(:number)"), {"number": number})
        with pytest.raises(DBAPIError):
            carrier.submit(told, using=connection)
