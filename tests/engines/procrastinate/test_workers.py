"""Real workers of Procrastinate: ours, its own command's, a product's; whatever becomes of a run or a worker."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, make_url, text

from sexton.db.connect import open_database
from sexton.db.migrate import migrate
from sexton.engines.carrier import MessageKind
from sexton.engines.procrastinate.engine import ProcrastinateEngine
from sexton.engines.procrastinate.schema import bring_up_to_date
from sexton.testing.postgres import Server
from tests.support.engine_workers import CarriedYard, carried_yard, own_worker, procrastinate_command
from tests.support.patience import PATIENCE
from tests.support.workers import Start, Worker

pytestmark = pytest.mark.databases("postgres18")

COMMAND = ("--app", "sexton.engines.procrastinate.app", "worker")
SHOP = "tests.engines.procrastinate.shop_tasks"


@pytest.fixture
def yard(engine: Engine, database: str, tmp_path: Path, start: Start) -> Iterator[CarriedYard]:
    """Jobs carried by Procrastinate, in the same database."""
    bring_up_to_date(engine, "procrastinate")
    with carried_yard(engine, database, tmp_path, start, "procrastinate", {}) as yard:
        yield yard


def begun(yard: CarriedYard, *words: str) -> Worker:
    """A worker that listens: our own way, or by `procrastinate` with these words."""
    known = yard.carrier.health().workers
    assert known is not None
    if words:
        worker = yard.carried_worker(procrastinate_command, *words)
    else:
        worker = yard.carried_worker(own_worker, "procrastinate")
    yard.wait_until(lambda: (yard.carrier.health().workers or 0) > known or not worker.runs)
    return worker


def left(yard: CarriedYard, status: str = "") -> list[str]:
    """Statuses of the messages that are there."""
    place = yard.carrier.options.place  # type: ignore[attr-defined]
    with yard.engine.begin() as connection:
        asked = text(f"SELECT CAST(status AS text) FROM {place}.procrastinate_jobs ORDER BY id")
        return list(connection.execute(asked).scalars())


@pytest.mark.parametrize("words", [(), COMMAND], ids=["sexton worker", "procrastinate worker"])
def test_bj_25_2_each_worker_takes_our_runs_and_ends_in_order(yard: CarriedYard, words: tuple[str, ...]) -> None:
    worker = begun(yard, *words)
    for number in yard.hand_on("calm.idle", "urgent.idle"):
        assert yard.ended(number).state == "succeeded"

    yard.wait_until(lambda: left(yard) == [])  # what is over is deleted
    assert yard.counts.duplicates == 0
    worker.send(signal.SIGTERM)
    assert worker.wait() == 0
    assert yard.carrier.health().workers == 0


@pytest.mark.parametrize("job", ["bad.spin", "bad.doze", "bad.brood"])
def test_p12_a_timeout_in_python_in_c_and_in_sql_is_ours_and_the_worker_lives(yard: CarriedYard, job: str) -> None:
    worker = begun(yard)
    (bad,) = yard.hand_on(job)
    assert yard.ended(bad).state == "timed_out"
    (good,) = yard.hand_on("calm.idle")
    assert yard.ended(good).state == "succeeded"
    assert worker.runs


@pytest.mark.parametrize("words", [(), COMMAND], ids=["sexton worker", "procrastinate worker"])
def test_a_worker_that_is_to_end_ends_its_run_which_another_takes_up(yard: CarriedYard, words: tuple[str, ...]) -> None:
    yard.trouble("settle.patient")
    worker = begun(yard, *words)
    (number,) = yard.hand_on("settle.patient")
    yard.wait_for_run(number)

    worker.send(signal.SIGTERM)

    assert worker.wait() == 0
    ended = yard.ended(number)
    assert (ended.state, ended.outcome_code) == ("cancelled", "stopped")
    assert left(yard) == []
    yard.settle()
    begun(yard, *words)
    yard.submit()
    yard.wait_until(lambda: [run.state for run in yard.runs("settle.patient")] == ["cancelled", "succeeded"])


def test_s_killed_it_leaves_its_message_which_is_swept_and_its_run_which_is_taken_up(yard: CarriedYard) -> None:
    """Nobody rescues what is `doing`; its executor ends with it, and the row waits again."""
    yard.trouble("settle.patient")
    worker = begun(yard)
    (number,) = yard.hand_on("settle.patient")
    executor = yard.wait_for_run(number)

    worker.kill()

    assert yard.ended(number).state == "cancelled"
    yard.wait_until(lambda: not Path(f"/proc/{executor}").exists())
    assert left(yard) == ["doing"]
    yard.settle()
    with yard.engine.begin() as connection:
        connection.execute(
            text("UPDATE procrastinate.procrastinate_workers SET last_heartbeat = now() - interval '1h'")
        )
    assert isinstance(yard.carrier, ProcrastinateEngine)
    yard.carrier.keep_up()
    assert left(yard) == []
    begun(yard)
    yard.submit()
    yard.wait_until(lambda: [run.state for run in yard.runs("settle.patient")] == ["cancelled", "succeeded"])
    assert yard.runs("settle.patient")[1].attempt == 2


def test_s_a_message_that_comes_twice_is_one_run(yard: CarriedYard) -> None:
    yard.trouble("settle.patient")
    begun(yard)
    (number,) = yard.hand_on("settle.patient")
    yard.wait_for_run(number)
    begun(yard)

    yard.bring(number)
    yard.wait_until(lambda: yard.counts.duplicates == 1)
    yard.settle()

    assert yard.ended(number).state == "succeeded"
    assert len(yard.runs("settle.patient")) == 1


def test_a_message_that_is_aborted_asks_its_run_alone_to_end(yard: CarriedYard) -> None:
    yard.trouble("settle.patient", "other.patient")
    yard.carried_worker(own_worker, "procrastinate", 2)
    one, other = yard.hand_on("settle.patient", "other.patient")
    for number in (one, other):
        yard.wait_for_run(number)

    yard.carrier.cancel(MessageKind.RUN, [one])

    assert yard.ended(one).state == "cancelled"
    yard.settle()
    assert yard.ended(other).state == "succeeded"
    yard.wait_until(lambda: left(yard) == [])


def test_bj_25_a_products_own_app_carries_them_beside_its_own_tasks(
    engine: Engine, database: str, tmp_path: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    import procrastinate

    libpq = make_url(database).set(drivername="postgresql").render_as_string(hide_password=False)
    monkeypatch.setenv("SHOP_DATABASE", libpq)
    with procrastinate.App(connector=procrastinate.SyncPsycopgConnector(conninfo=libpq)).open() as made:
        made.schema_manager.apply_schema()
    with carried_yard(engine, database, tmp_path, start, "procrastinate", {"app": f"{SHOP}:app"}) as yard:
        worker = yard.carried_worker(shop_worker, libpq, *("--app", f"{SHOP}.app", "worker"))
        (number,) = yard.hand_on("calm.idle")
        packed = tmp_path / "packed"
        with engine.begin() as connection:
            connection.execute(
                text(
                    "SELECT public.procrastinate_defer_jobs_v1(ARRAY[ROW('shop', 'shop.pack', 0, NULL, NULL,"
                    " jsonb_build_object('parcel', CAST(:parcel AS text)), NULL)::procrastinate_job_to_defer_v1])"
                ),
                {"parcel": str(packed)},
            )
        assert yard.ended(number).state == "succeeded"
        yard.wait_until(packed.exists)
        yard.wait_until(lambda: left(yard) == ["succeeded"] * 2)  # its worker keeps what is over
        assert isinstance(yard.carrier, ProcrastinateEngine)
        yard.carrier.keep_up()
        assert left(yard) == ["succeeded"]  # and we take away ours
        worker.send(signal.SIGTERM)
        assert worker.wait() == 0

        yard.carried_worker(shop_worker, libpq, "ours")  # sexton worker --engine procrastinate, with its app
        (number,) = yard.hand_on("calm.idle")
        assert yard.ended(number).state == "succeeded"


def shop_worker(config: str, libpq: str, *words: str) -> int:
    """A child with the product's environment."""
    os.environ["SHOP_DATABASE"] = libpq
    return own_worker(config, "procrastinate") if words == ("ours",) else procrastinate_command(config, *words)


@pytest.mark.slow
def test_a_worker_goes_on_when_the_database_is_back(
    tmp_path: Path, start: Start, start_server: Callable[..., Server]
) -> None:
    server = start_server(18)
    database = server.url
    engine = open_database(database)
    migrate(engine)
    bring_up_to_date(engine, "procrastinate")
    with carried_yard(engine, database, tmp_path, start, "procrastinate", {}) as yard:
        worker = begun(yard)
        server.shut_down(crash=True)
        worker.wait_for("engine worker begins again")
        server.boot()
        engine.dispose()
        yard.app.database.dispose()

        (number,) = yard.hand_on("calm.idle")

        assert yard.ended(number, 2 * PATIENCE).state == "succeeded"
        assert worker.runs
    engine.dispose()
