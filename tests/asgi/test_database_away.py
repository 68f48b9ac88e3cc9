"""An API server whose database is away: it starts and answers all the same, and its health says why nothing runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sexton.db.connect import open_database
from sexton.db.migrate import migrate
from sexton.testing.processes import wait_until
from tests.support.api_server import ApiServer, api_server, worker_of
from tests.support.children import write_settings
from tests.support.leaks import runs
from tests.support.patience import PATIENCE
from tests.support.proxy import Proxy
from tests.support.worker import JOBS, LONG

pytestmark = pytest.mark.slow


def settings(folder: Path, database: str) -> None:
    write_settings(folder, database, jobs=JOBS, lease=LONG, renew="500ms")


def migrated(database: str) -> None:
    engine = open_database(database)
    migrate(engine)
    engine.dispose()


def asked(server: ApiServer, status: int, problem: str | None) -> None:
    """The health page, once it says this."""
    said: list[object] = []

    def found() -> bool:
        said[:] = server.get("/health/sexton")
        return said[0] == status and said[1]["problem"] == problem  # type: ignore[index]

    server.wait_for(bool)
    assert wait_until(found, PATIENCE, pause=0.05), f"{said}\n{server.log}"


@pytest.mark.databases("sqlite")
def test_a_server_starts_without_its_file_and_leads_once_it_is_there(empty_database: str, tmp_path: Path) -> None:
    settings(tmp_path, empty_database)
    with api_server(tmp_path) as server:
        asked(server, 503, "the database cannot be asked")
        migrated(empty_database)

        asked(server, 200, None)
        server.wait_for_event("run ended")
        assert server.log.count("the worker's lease:") < 5  # once in a row, not with each look


@pytest.mark.databases("postgres18")
def test_a_server_starts_before_the_migration(empty_database: str, tmp_path: Path) -> None:
    settings(tmp_path, empty_database)
    with api_server(tmp_path) as server:
        asked(server, 503, "the tables of this database are not those of this version; run: sexton migrate")
        migrated(empty_database)

        asked(server, 200, None)
        server.wait_for_event("run ended")


@pytest.mark.databases("postgres18")
def test_a_server_starts_while_nobody_answers_and_leads_when_somebody_does(
    database: str, tmp_path: Path, open_proxy: Callable[[str], Proxy]
) -> None:
    proxy = open_proxy(database)
    proxy.refuse()
    settings(tmp_path, proxy.url_for(database))
    with api_server(tmp_path) as server:
        asked(server, 503, "the database cannot be asked")
        proxy.admit()

        asked(server, 200, None)
        server.wait_for_event("run ended")


@pytest.mark.databases("postgres18")
def test_a_worker_is_kept_while_the_database_is_away_and_goes_on(
    database: str, tmp_path: Path, open_proxy: Callable[[str], Proxy]
) -> None:
    """Nobody else can take the lease either; the worker waits for the database by itself."""
    proxy = open_proxy(database)
    settings(tmp_path, proxy.url_for(database))
    with api_server(tmp_path) as server:
        server.wait_for_event("leading")
        worker = worker_of(server)
        server.wait_for_event("run ended")
        proxy.refuse()
        proxy.cut()
        asked(server, 503, "the database cannot be asked")
        server.wait_for_event("database trouble")
        assert runs(worker)
        before = len(server.events("run ended"))
        proxy.admit()

        asked(server, 200, None)
        server.wait_for_event("run ended", before + 3)
        assert runs(worker)
        assert len(server.events("worker started")) == 1


@pytest.mark.databases("postgres18")
def test_requests_are_answered_and_the_end_comes_while_the_database_is_mute(
    database: str, tmp_path: Path, open_proxy: Callable[[str], Proxy]
) -> None:
    """All that asks the database stands in a thread, and its end is not waited for beyond the limit."""
    proxy = open_proxy(database)
    settings(tmp_path, proxy.url_for(database))
    with api_server(tmp_path) as server:
        server.wait_for_event("run ended")
        worker = worker_of(server)
        proxy.freeze()
        for _ in range(20):
            assert server.get("/part")[0] == 200
        server.process.terminate()

        server.wait()
        assert wait_until(lambda: not runs(worker), PATIENCE)
        proxy.thaw()
