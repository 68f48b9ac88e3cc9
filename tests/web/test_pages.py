"""The pages for monitors, asked over real sockets, while the database is well and while it is not."""

from __future__ import annotations

import json
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families as parse
from sqlalchemy import Engine, text

from sexton import App
from sexton.config import Settings
from sexton.errors import SettingsError
from sexton.telemetry.health_reader import HealthReader
from sexton.testing.processes import wait_until
from sexton.web import application, serving
from tests.support.databases import Databases
from tests.support.past_runs import add_lease, add_runs, database_time, run_row
from tests.support.patience import PATIENCE
from tests.support.proxy import Proxy
from tests.support.roles import new_town, quoted

PAGES = ("/metrics", "/api/health/cron", "/healthz", "/readyz")
ANYWHERE = "127.0.0.1:0"
CANARY = "qXcanaryX7"
HOUSEKEEPING = "sexton.housekeeping"


@dataclass(frozen=True)
class Answer:
    """What a page said."""

    status: int
    headers: dict[str, str]
    body: str

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def up(self) -> float:
        """`sexton_up`."""
        return next(family.samples[0].value for family in parse(self.body) if family.name == "sexton_up")


Ask = Callable[..., Answer]


@contextmanager
def served(
    database: str,
    alive: Callable[[], float] | None = None,
    unfit: Callable[[], str] | None = None,
    unready: Callable[[], str] | None = None,
    in_time: bool = False,
) -> Iterator[Ask]:
    """`ask("/metrics")` of a server for this database; its only job is housekeeping.

    in_time: it gives up as soon as it does in production, which an answer on a busy machine may not.
    """
    app = App(Settings(database=database))
    patient = HealthReader.of(app.settings, app.registry, patience=PATIENCE, statement=PATIENCE)
    reader = None if in_time else patient
    with serving(app, ANYWHERE, alive, reader, unfit, unready) as (host, port):

        def ask(path: str, method: str = "GET", **headers: str) -> Answer:
            connection = HTTPConnection(host, port, timeout=PATIENCE)
            try:
                connection.request(method, path, headers=headers)
                response = connection.getresponse()
                body = response.read().decode()
            finally:
                connection.close()
            kept = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, kept, body)

        yield ask


def ran_in_time(engine: Engine) -> datetime:
    """Housekeeping took its latest slot, in a run that counts on both sides of midnight; the slot."""
    now = database_time(engine)
    counts = {"runs": {"picked": 3, "changed": 3, "told": 0}}
    started = now + timedelta(seconds=50)
    add_runs(engine, run_row(HOUSEKEEPING, "succeeded", started, 0.25, slot=now, counts=counts, worker=CANARY))
    return now


def test_metrics_are_those_of_the_tables(database: str, engine: Engine) -> None:
    """PF-136.6: a run that another process has made and ended is counted."""
    ran_in_time(engine)
    with served(database) as ask:
        answer = ask("/metrics")
        openly = ask("/metrics", accept="application/openmetrics-text; version=1.0.0")

    found = {(sample.name, sample.labels.get("job")): sample.value for f in parse(answer.body) for sample in f.samples}
    assert (answer.status, answer.headers["cache-control"]) == (200, "no-store")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert found["job_success_total", HOUSEKEEPING] == 1
    assert found["job_duration_seconds_sum", HOUSEKEEPING] == pytest.approx(0.25, abs=0.001)
    assert openly.headers["content-type"].startswith("application/openmetrics-text")
    assert openly.body.endswith("# EOF\n")


def test_ora_mon_1_health_tells_of_every_job(database: str, engine: Engine) -> None:
    slot = ran_in_time(engine)
    with served(database) as ask:
        answer = ask("/api/health/cron")

    told = answer.json
    assert (answer.status, answer.headers["cache-control"], told["ok"]) == (200, "no-store", True)
    assert told["counts"] == {HOUSEKEEPING: 1}
    assert (told["late"], told["leader"], told["worker"]) == ([], {"present": False, "missing": False}, None)
    assert 0 <= told["uptime"] < PATIENCE
    job = told["jobs"][HOUSEKEEPING]
    assert (job["state"], job["rows"], job["failures"], job["late"], job["lateness"]) == ("succeeded", 3, 0, False, 0)
    assert job["seconds"] == pytest.approx(0.25, abs=0.001)
    assert job["last_start"] < job["last_success"]
    assert job["next_slot"] > f"{slot:%Y-%m-%dT%H:%M:%S}"
    assert job["next_slot"].endswith(":37:00.000000Z")


def test_ora_mon_1_health_is_503_while_a_job_is_too_late(database: str, engine: Engine) -> None:
    """BJ-22.3"""
    three_days_ago = database_time(engine) - timedelta(days=3)
    add_runs(engine, run_row(HOUSEKEEPING, "succeeded", three_days_ago, slot=three_days_ago))
    with served(database) as ask:
        answer, metrics = ask("/api/health/cron"), ask("/metrics")

    assert (answer.status, answer.json["ok"], answer.json["late"]) == (503, False, [HOUSEKEEPING])
    job = answer.json["jobs"][HOUSEKEEPING]
    assert job["lateness"] > job["allowed_lateness"] == 86_400 + 15 * 60
    assert 'sexton_late{job="sexton.housekeeping"} 1.0' in metrics.body


def test_health_is_503_while_no_worker_leads(database: str, engine: Engine) -> None:
    ran_in_time(engine)
    add_lease(engine, "leader", database_time(engine) - timedelta(seconds=20))
    with served(database) as ask:
        answer = ask("/api/health/cron")

    assert (answer.status, answer.json["leader"]) == (503, {"present": False, "missing": True})


@pytest.mark.databases("sqlite")
def test_x9_a_loop_that_stands_still_is_seen_although_the_pages_are_served(database: str, engine: Engine) -> None:
    ran_in_time(engine)
    turned = [0.0]
    with served(database, lambda: turned[0]) as ask:
        turning = [ask(path).status for path in PAGES]
        turned[0] = 30.5
        standing = [ask(path).status for path in PAGES]
        worker = ask("/api/health/cron").json["worker"]

    assert turning == [200, 200, 200, 200]
    assert standing == [200, 503, 503, 200]
    assert worker == {"ok": False, "seconds_since_turn": 30.5}


@pytest.mark.databases("sqlite")
def test_rep_27_a_worker_that_cannot_start_runs_is_unhealthy_and_says_why(database: str, engine: Engine) -> None:
    ran_in_time(engine)
    reason = "this machine's clock is +90 s from the database's"
    with served(database, lambda: 0.0, lambda: reason) as ask:
        answers = [ask(path) for path in PAGES]

    assert [answer.status for answer in answers] == [200, 503, 503, 503]
    assert [answer.body for answer in answers[2:]] == [f"{reason}\n"] * 2
    assert answers[1].json["worker"] == {"ok": False, "seconds_since_turn": 0.0, "problem": reason}


@pytest.mark.databases("sqlite")
def test_a_worker_that_cannot_write_is_not_ready_and_is_not_restarted(database: str, engine: Engine) -> None:
    """A server that only reads, after a fail-over: its tables can be read, and no run begins."""
    reason = "the worker cannot work in its database"
    with served(database, lambda: 0.0, lambda: "", lambda: reason) as ask:
        answers = [ask(path) for path in ("/healthz", "/readyz")]

    assert [(answer.status, answer.body) for answer in answers] == [(200, "ok\n"), (503, f"{reason}\n")]


@pytest.mark.databases("postgres")
def test_x9_a_locked_run_table_gets_answers_in_time(database: str, engine: Engine) -> None:
    """Nobody lets go before all have answered."""
    with served(database, lambda: 0.0, in_time=True) as ask, engine.begin() as migration:
        migration.execute(text("LOCK TABLE sexton.runs IN ACCESS EXCLUSIVE MODE"))
        answers = {path: ask(path) for path in PAGES}

    assert {path: answer.status for path, answer in answers.items()} == {
        "/metrics": 200,
        "/api/health/cron": 503,
        "/healthz": 200,
        "/readyz": 503,
    }
    assert answers["/metrics"].up == 0


@pytest.mark.databases("postgres18")
@pytest.mark.slow
def test_x9_a_database_that_answers_nothing_gets_answers_in_time(
    database: str, open_proxy: Callable[[str], Proxy]
) -> None:
    """Nothing is let through before all have answered."""
    proxy = open_proxy(database)
    proxy.freeze()
    with served(proxy.url_for(database), lambda: 0.0, in_time=True) as ask:
        answers = {path: ask(path) for path in PAGES}
    proxy.thaw()

    assert [answer.status for answer in answers.values()] == [200, 503, 200, 503]


@pytest.mark.databases("sqlite", "postgres18")
def test_readyz_asks_for_our_tables_and_healthz_does_not(empty_database: str) -> None:
    with served(empty_database) as ask:
        ready, alive, health, metrics = (ask(path) for path in ("/readyz", "/healthz", "/api/health/cron", "/metrics"))

    assert (ready.status, alive.status, health.status, metrics.up) == (503, 200, 503, 0)
    assert "sexton migrate" in ready.body
    assert "sexton migrate" in health.json["problem"]


@pytest.mark.databases("postgres18")
@pytest.mark.databases("postgres")
def test_sec_15_readyz_names_nobody_when_our_tables_are_somebody_elses(
    databases: Databases, database_kind: str
) -> None:
    with new_town(databases, database_kind) as town:
        boss, mallory = town.role("boss"), town.role("mallory")
        town.do(f"CREATE SCHEMA sexton AUTHORIZATION {quoted(mallory)}")
        with served(town.url_of(boss)) as ask:
            answer = ask("/readyz")
    assert (answer.status, "mallory" in answer.body, "boss" in answer.body) == (503, False, False)
    assert "the tables of this database belong to others; run: sexton check" in answer.body


def test_x1_no_page_shows_where_the_database_is_or_what_is_in_it(database: str, engine: Engine) -> None:
    """Neither when all is well nor when nothing answers at an address with a password."""
    ran_in_time(engine)
    nowhere = f"postgresql+psycopg://{CANARY}:{CANARY}@127.0.0.1:1/{CANARY}?application_name={CANARY}"
    bodies = []
    for url in (database, nowhere):
        with served(url, lambda: 0.0) as ask:
            answers = [ask(path) for path in (*PAGES, f"/{CANARY}?{CANARY}={CANARY}")]
        bodies += [answer.body + str(answer.headers) for answer in answers]
        assert [answer.status for answer in answers][-1] == 404

    said = "\n".join(bodies)
    assert CANARY not in said
    for forbidden in ("127.0.0.1", "postgres", "SELECT", "sexton.runs", "Traceback"):
        assert forbidden not in said, forbidden


@pytest.mark.databases("sqlite")
def test_pages_are_read_only_and_never_stored(database: str) -> None:
    with served(database) as ask:
        answers = {
            (method, path): ask(path, method)
            for method, path in [("POST", "/metrics"), ("DELETE", "/healthz"), ("HEAD", "/healthz"), ("GET", "/none")]
        }

    assert [answer.status for answer in answers.values()] == [405, 405, 200, 404]
    assert {answer.headers["cache-control"] for answer in answers.values()} == {"no-store"}
    assert all("server" not in answer.headers for answer in answers.values())


@pytest.mark.databases("sqlite")
def test_the_server_touches_no_signal_and_ends_with_the_block(database: str) -> None:
    """The worker's own handlers stay; the thread is gone, and so is the port, even with a connection open."""
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    with serving(App(Settings(database=database)), ANYWHERE) as (host, port):
        idle = socket.create_connection((host, port), timeout=PATIENCE)
        during = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    idle.close()

    assert before == during == [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    assert wait_until(lambda: "sexton-web" not in {thread.name for thread in threading.enumerate()}, PATIENCE)
    with pytest.raises(OSError, match="refused"):
        socket.create_connection((host, port), timeout=PATIENCE)


@pytest.mark.databases("sqlite")
def test_an_address_that_cannot_be_had_is_one_line(database: str) -> None:
    app = App(Settings(database=database))
    with serving(app, ANYWHERE) as (host, port):
        for listen in (f"{host}:{port}", "nowhere", "203.0.113.1:80"):
            with pytest.raises(SettingsError, match=r"^web\.listen: ") as refused, serving(app, listen):
                pass
            assert "\n" not in str(refused.value)


@pytest.mark.databases("sqlite")
def test_a_product_mounts_the_pages_in_its_own_application(database: str, tmp_path: Path) -> None:
    import uvicorn
    from starlette.applications import Starlette
    from starlette.routing import Mount

    product = Starlette(routes=[Mount("/jobs", application(App(Settings(database=database))))])
    config = uvicorn.Config(product, log_config=None, log_level="critical", ws="none")
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
        thread.start()
        host, port = listening.getsockname()
        ready = wait_until(lambda: _status(host, port, "/jobs/readyz") == 200, PATIENCE)
        server.should_exit = True
        thread.join(PATIENCE)

    assert ready


def _status(host: str, port: int, path: str) -> int:
    with closing(HTTPConnection(host, port, timeout=PATIENCE)) as connection:
        connection.request("GET", path)
        return connection.getresponse().status


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("accept", ["text/plain;version=x.y", "application/openmetrics-text;version=1..0", "q" * 9000])
def test_sec_2_whatever_form_somebody_accepts_the_figures_come(database: str, accept: str) -> None:
    with served(database) as ask:
        answer = ask("/metrics", accept=accept)

    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/plain")
