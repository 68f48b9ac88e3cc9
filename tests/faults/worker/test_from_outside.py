"""SEC-2: what reaches a worker from others is a hint or is refused: NOTIFY of any role, words of an executor."""

from __future__ import annotations

import json
import socket
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import Engine, create_engine, text

from sexton import App, Job
from sexton.config import Settings
from sexton.db.notify import NOTIFY_CHANNEL
from sexton.engines.executor.messages import MAX_MESSAGE_BYTES, JsonPipe, in_form, message_of
from sexton.engines.run_order import DueQueue
from sexton.jobs.registry import Registry
from sexton.run_state import RunState
from sexton.runs.outcome import Outcome
from sexton.slots.due_run import DueRun
from sexton.slots.queue import enqueue
from sexton.slots.wake import understood
from sexton.testing.postgres import Server
from sexton.testing.processes import wait_until
from tests.support.patience import PATIENCE
from tests.support.worker import LONG, Yard, leader_inbox, make_yard, said
from tests.support.workers import Start

HOUSEKEEPING = "sexton.housekeeping"
HOSTILE = [
    b"policies.mt " + b"9" * 4301,
    b"calm.idle " + b"9" * 26,
    b"calm.idle 9999999999999999999",
    "calm.idle ٣".encode(),
    b"calm.idle -1",
    b"calm.idle 1 1",
    b"calm.idle 1\n",
    b" 1",
    b"\xff\xfe 1",
    b"\x1b[2J",
    b"a" * 7990,
]


@pytest.fixture
def yard(engine: Engine, database: str, tmp_path: Path, start: Start) -> Yard:
    """Workers over a fresh database."""
    return make_yard(engine, database, tmp_path, start, lease=LONG)


@pytest.mark.parametrize("payload", HOSTILE)
def test_sec_2_what_is_no_hint_means_look(payload: bytes) -> None:
    assert understood([payload]) == ({}, True)


def test_sec_2_a_hint_names_one_run_of_a_job() -> None:
    assert understood([]) == ({}, False)
    assert understood([b"shop.a 7", b"shop.a 7", b"shop.b 999999999999999999"]) == (
        {"shop.a": 7, "shop.b": 999999999999999999},
        False,
    )
    assert understood([b"shop.a 7", b"shop.a 8"]) == ({"shop.a": 7}, True)


@pytest.mark.databases("postgres18")
@pytest.mark.slow
def test_sec_2_no_notify_of_another_role_ends_a_worker_or_an_executor(yard: Yard) -> None:
    """The role may connect, and nothing else."""
    worker = yard.leader()
    name = f"mallory_{yard.engine.url.database}"
    with yard.engine.begin() as connection:
        connection.execute(text(f"CREATE ROLE {name} LOGIN"))
    try:
        mallory = create_engine(yard.engine.url.set(username=name, query={"client_encoding": "LATIN1"}))
        with mallory.begin() as connection:
            for payload in HOSTILE:
                told = {"channel": NOTIFY_CHANNEL, "what": payload.decode("latin-1")}
                connection.execute(text("SELECT pg_notify(:channel, :what)"), told)
            connection.execute(
                text("SELECT pg_notify(:channel, 'calm.idle ' || n) FROM generate_series(1, 10000) n"), told
            )
        mallory.dispose()

        assert yard.ended(yard.ask_for("calm.idle")).state == "succeeded"
    finally:
        with yard.engine.begin() as connection:
            connection.execute(text(f"DROP ROLE {name}"))
    assert worker.runs
    assert worker.errors == ""
    assert {line["event"] for line in said(worker)} <= {"worker started", "leading", "run started", "run ended"}
    assert [line for line in said(worker) if line.get("state") not in (None, "succeeded")] == []


@pytest.mark.databases("postgres")
def test_sec_2_a_payload_that_cannot_be_decoded_means_look(server: Server, tmp_path: Path) -> None:
    """A database of SQL_ASCII hands on any bytes."""
    name = f"bytes_{tmp_path.name}"
    url = server.create_database(name)
    server.drop_database(name)
    with psycopg.connect(url.replace("+psycopg", "").replace(f"/{name}", "/postgres"), autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE \"{name}\" ENCODING 'SQL_ASCII' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'")
    try:
        desk = leader_inbox(App(Settings(database=url)))
        with closing(desk):
            assert desk.called() == ([], False)  # it listens now
            with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as other:
                other.execute(b"NOTIFY sexton_wake, E'\\xff\\xfe 1'")
            assert wait_until(lambda: desk.called() == ([], True), PATIENCE)
    finally:
        server.drop_database(name)


@pytest.mark.databases("postgres18")
def test_sec_2_a_listener_whose_connection_dies_returns(engine: Engine, database: str) -> None:
    desk = leader_inbox(App(Settings(database=database)))
    with closing(desk):
        desk.called()
        with engine.begin() as connection:
            ended = (
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND datname = :name"
            )
            connection.execute(text(ended), {"name": engine.url.database})
        assert wait_until(lambda: desk.called() == ([], False) and not desk.sources(), PATIENCE)
        assert wait_until(lambda: desk.called() == ([], False) and bool(desk.sources()), PATIENCE)
        with engine.begin() as connection:
            connection.execute(text(f"NOTIFY {NOTIFY_CHANNEL}, '{HOUSEKEEPING} 5'"))

        heard: list[DueRun] = []

        def hears() -> bool:
            heard.extend(desk.called()[0])
            return bool(heard)

        assert wait_until(hears, PATIENCE)
    assert [(due.job, due.queued) for due in heard] == [(HOUSEKEEPING, 5)]


@pytest.mark.databases("postgres18")
def test_sec_2_who_called_out_a_run_that_does_not_wait_is_not_taken_at_his_word(
    engine: Engine, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sexton.engines.worker.leader_inbox.DOUBT", 2 * PATIENCE)
    desk = leader_inbox(App(Settings(database=database)))
    with closing(desk):
        desk.called()
        desk.misled()
        with engine.begin() as connection:
            connection.execute(text(f"NOTIFY {NOTIFY_CHANNEL}, '{HOUSEKEEPING} 5'"))

        assert wait_until(lambda: desk.called() == ([], True), PATIENCE)


def test_sec_2_of_runs_that_are_called_out_one_a_job_waits() -> None:
    """Ten thousand numbers are no ten thousand runs."""
    registry = Registry()
    registry.add(Job("shop.a", work=print))
    waiting = DueQueue(registry)
    for number in range(10_000):
        waiting.add(DueRun("shop.a", queued=number))

    assert len(waiting) == 1


ENDED: dict[str, Any] = {"event": "ended", **message_of(Outcome("shop.a", RunState.SUCCEEDED, 7))}


@pytest.mark.parametrize(
    ("change", "right"),
    [
        ({}, True),
        ({"event": "gone"}, False),
        ({"event": ["ended"]}, False),
        ({"run": 10**30}, False),
        ({"run": True}, False),
        ({"run": None}, True),
        ({"state": "perfect"}, False),
        ({"as_of": "yesterday"}, False),
        ({"as_of": "2026-11-29T10:00:00"}, False),
        ({"code": None}, False),
        ({"steps": []}, False),
        ({"error": {}}, False),
        ({"note": 7}, False),
        ({"outcome_code": "odd"}, False),
        ({"outcome_code": ["locked"]}, False),
    ],
)
def test_sec_2_what_an_executor_says_is_checked(change: dict[str, Any], right: bool) -> None:
    assert in_form({**ENDED, **change}) is right


@pytest.mark.parametrize(
    "garbage",
    [
        b"{\n",
        b"\xff\n",
        b"[]\n",
        b"null\n",
        b"[" * 100_000 + b"\n",
        b"9" * 5000 + b"\n",
        b"x" * (MAX_MESSAGE_BYTES + 1),
    ],
)
def test_sec_2_what_is_no_message_breaks_the_line_and_nothing_else(garbage: bytes) -> None:
    ours, theirs = socket.socketpair()
    line = JsonPipe(ours)
    with closing(line), theirs:
        theirs.setblocking(False)
        unsent, came = json.dumps({"event": "begun"}).encode() + b"\n" + garbage, []
        while not line.broken:
            if unsent:
                unsent = unsent[theirs.send(unsent[:60_000]) :]
            came += list(line.receive())

    assert came == [{"event": "begun"}, None]


WRITER = """
import os, stat
from sexton import Job, every

def scribble(run):
    for number in range(3, 30):
        try:
            if stat.S_ISSOCK(os.fstat(number).st_mode):
                os.write(number, {garbage!r})
        except OSError:
            pass

scribble = Job("own.scribble", work=scribble)
quiet = Job("own.quiet", work=print)
"""


@pytest.mark.databases("sqlite")
@pytest.mark.slow
@pytest.mark.parametrize("garbage", [b"no json\n", b'{"event": "ended"}\n', b'{"event": "claimed", "run": 1e99}\n'])
def test_sec_2_a_job_that_writes_into_its_executors_line_ends_that_executor_only(yard: Yard, garbage: bytes) -> None:
    file = Path(yard.config.partition("=")[2])
    (file.parent / "own.py").write_text(WRITER.format(garbage=garbage))
    file.write_text(file.read_text().replace("jobs = [", 'jobs = ["own.py", '))
    worker = yard.leader("--concurrency", "1")
    jobs = {name: App.load(file).registry.get(name) for name in ("own.scribble", "own.quiet")}

    def ended(name: str) -> str:
        with yard.engine.begin() as connection:
            number, _ = enqueue(connection, jobs[name], by="a test")
        return yard.ended(number).state

    assert ended("own.scribble") in ("failed", "succeeded")  # it may end before the worker reads what it wrote
    assert ended("own.quiet") == "succeeded"
    assert worker.runs
