"""Fixtures for all tests: fresh databases of every kind, servers, proxies.

    def test_purge(engine): ...                       # on SQLite and PostgreSQL; its older major: `make test-slow`

    @pytest.mark.databases("postgres")                # or "sqlite", "postgres15", several
    def test_skip_locked(database): ...

`empty_database` and `database` are URLs, without and with Sexton's own tables; `engine` is one on `database`.
"""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from sqlalchemy import Engine

from sexton.files import TRUST
from sexton.testing.postgres import Server, ServerMissing

from .support.chance import FIXED, VARIABLE, chance_of, seed_of
from .support.databases import SQLITE, Databases, kinds_for, second_major, when_on_second_major
from .support.leaks import MARK
from .support.pace import keep_size, lift_ceiling, lift_limits
from .support.proxy import Proxy
from .support.questions import await_answers
from .support.require import missing

pytest_plugins = ["tests.support.report", "tests.support.brokers"]

ROOT = Path(__file__).parents[1]

SEED = seed_of(os.environ.get(VARIABLE, ""))
os.environ[VARIABLE] = str(SEED)  # for the processes of pytest-xdist

# No deadline, and no verdict on how long examples take to be made: a shared machine pauses at will.
# The fixed seed means the same examples in each run.
settings.register_profile(
    "sexton",
    deadline=None,
    derandomize=SEED == FIXED,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("sexton")


def pytest_addoption(parser: pytest.Parser) -> None:
    """`pytest --inside tests/guard …`: the suites of the Python path once more, by procedures inside PostgreSQL."""
    parser.addoption("--inside", action="store_true", help="run jobs by procedures inside PostgreSQL where they can be")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With `--inside` only what has a PostgreSQL, and asks nothing that only a process can do."""
    if not config.getoption("--inside"):
        return
    chosen = [item for item in items if is_for_procedures(item)]
    config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
    items[:] = chosen


def is_for_procedures(item: pytest.Item) -> bool:
    """On the older major alone: which one it is makes no difference to what is compared."""
    kind = getattr(item, "callspec", None) and item.callspec.params.get("database_kind")  # type: ignore[attr-defined]
    return kind == "postgres15" and item.get_closest_marker("by_python") is None


def pytest_configure(config: pytest.Config) -> None:
    """Announce our marker, and keep settings and signals of the developer's shell out of the tests."""
    config.addinivalue_line("markers", 'databases(*kinds): run on these only: "sqlite", "postgres", "postgres15", ...')
    config.addinivalue_line("markers", "by_python(why): left out with --inside, as no procedure could do that")
    config.addinivalue_line("markers", "given_up: questions that take too long are given up, as for users")
    for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:  # started in the background: children would inherit it
            signal.signal(number, handler)
    for name in list(os.environ):
        if name.startswith(("PG", "SEXTON_")) and name not in ("SEXTON_REQUIRE", MARK, VARIABLE):
            del os.environ[name]
    if os.geteuid() == 0 and (owner := ROOT.stat().st_uid):
        os.environ[TRUST] = str(owner)  # a checkout of somebody's, mounted into a container that runs as root
    if SEED != FIXED and not config.getoption("--hypothesis-seed"):
        config.option.hypothesis_seed = str(SEED)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that asks for a database once for each kind."""
    if "database_kind" in metafunc.fixturenames:
        marker = metafunc.definition.get_closest_marker("databases")
        named = marker.args if marker else ()
        later = second_major(named)
        when = when_on_second_major(metafunc.definition.path)
        kinds = [pytest.param(kind, marks=[when] if kind == later else []) for kind in kinds_for(named)]
        metafunc.parametrize("database_kind", kinds)


@pytest.fixture
def chance(request: pytest.FixtureRequest) -> random.Random:
    """For a test that does something at random: seeded, see `support/chance.py`."""
    return chance_of(SEED, request.node.name)


@pytest.fixture(scope="session")
def databases() -> Iterator[Databases]:
    """Servers of this test process, started when first asked for."""
    databases = Databases()
    yield databases
    databases.close()


@pytest.fixture
def empty_database(databases: Databases, database_kind: str) -> Iterator[str]:
    """URL of a fresh database without any table."""
    with databases.fresh(database_kind, migrated=False) as url:
        yield url


@pytest.fixture
def database(databases: Databases, database_kind: str) -> Iterator[str]:
    """URL of a fresh database with Sexton's own tables."""
    with databases.fresh(database_kind, migrated=True) as url:
        yield url


@pytest.fixture
def engine(database: str) -> Iterator[Engine]:
    """An engine on `database`, opened as Sexton opens it."""
    from sexton.db.connect import open_database

    engine = open_database(database)
    yield engine
    engine.dispose()


@pytest.fixture
def server(databases: Databases, database_kind: str) -> Server:
    """The server behind `database_kind`; a test may restart it. PostgreSQL only."""
    assert database_kind != SQLITE, 'mark this test with databases("postgres")'
    return databases.server(database_kind)


@pytest.fixture
def start_server(databases: Databases) -> Iterator[Callable[..., Server]]:
    """`start_server(15, max_connections="5")`: servers of the test's own, stopped at its end."""
    started: list[Server] = []

    def start(version: int | None = None, **settings: str) -> Server:
        try:
            server = databases.start(version, **settings)
        except ServerMissing as error:
            missing(f"postgres{version or ''}", str(error))
        started.append(server)
        return server

    yield start
    for server in started:
        server.stop()


@pytest.fixture
def open_proxy() -> Iterator[Callable[[str], Proxy]]:
    """`open_proxy(url)`: proxies in front of PostgreSQL, closed at the test's end."""
    opened: list[Proxy] = []

    def open_one(url: str) -> Proxy:
        opened.append(Proxy(url))
        return opened[-1]

    yield open_one
    for proxy in opened:
        proxy.close()


@pytest.fixture(autouse=True)
def _no_default_limits(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process no statement or lease of a run, and no question, is over before the test says so, or is."""
    lift_limits(monkeypatch)
    if request.node.get_closest_marker("given_up") is None:
        await_answers(monkeypatch)


@pytest.fixture(autouse=True)
def _inside(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """With `--inside`, jobs are compiled, installed and called where that can be."""
    if request.config.getoption("--inside"):
        from .support.inside import run_inside_the_database

        run_inside_the_database(monkeypatch)


@pytest.fixture
def no_ceiling(monkeypatch: pytest.MonkeyPatch) -> None:
    """No batch is cut off, and made smaller, because the machine is busy: for tests that look at single batches."""
    lift_ceiling(monkeypatch)


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same, and all batches of a step are of one size."""
    lift_ceiling(monkeypatch)
    keep_size(monkeypatch)
