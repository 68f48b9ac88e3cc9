"""The databases that tests run on: which there are on this machine, and fresh ones of each kind.

A kind is "sqlite" or "postgres" with a major version, "postgres15". Servers are started when first asked for,
one for each major and test process. Fresh databases are copies of an empty one, or of one with our tables.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest

from sexton.testing import postgres
from sexton.testing.postgres import Server, ServerMissing, find_programs, start

from .patience import PATIENCE
from .require import REQUIRED, missing

postgres.START_SECONDS = PATIENCE

SQLITE = "sqlite"
POSTGRES = "postgres"
MAJORS = (15, 18)
MEMORY = Path("/dev/shm")
MEMORY_NEEDED = 2 * 1024**3  # bytes
TEMPLATE = "sexton_template"
TESTS = Path(__file__).parents[1]
ABOUT_PROCESSES = frozenset(
    ("app", "cli", "contracts", "e2e", "engines", "faults", "proposals", "telemetry", "testing", "web")
)
ABOUT_RUNS = frozenset(("calls", "packs", "relay", "requests", "runs", "slots"))
"""Folders of tests in which the older major waits for `make test-majors`. Processes are the subject of the first. The
others are about how runs go; their statements are looked at on that major in `declared`, `sql`, `statements`, and run
there by procedures in `make test-inside`."""


def default_kinds() -> list[str]:
    """What a test runs on that does not say otherwise: SQLite, and two majors of PostgreSQL.

    A major that is not on this machine is replaced by another one that is (the oldest for 15, the newest for
    18), under its true name, unless SEXTON_REQUIRE names it.
    """
    here = sorted(find_programs())
    spare = [major for major in here if major not in MAJORS]
    majors = []
    for major in MAJORS:
        wanted = major in here or f"{POSTGRES}{major}" in REQUIRED or not spare
        majors.append(major if wanted else spare.pop(0 if major == min(MAJORS) else -1))
    return [SQLITE, *(f"{POSTGRES}{major}" for major in majors)]


def kinds_for(names: Iterable[str]) -> list[str]:
    """The kinds that a marker `databases(*names)` means; none given means the default ones.

    "postgres" is both majors, "postgres15" and "postgres18" stand for whatever replaces them here; any other
    major is taken literally.
    """
    defaults = default_kinds()
    stands_for = dict(zip([SQLITE, *(f"{POSTGRES}{major}" for major in MAJORS)], defaults, strict=True))
    chosen: list[str] = []
    for name in names:
        chosen += defaults[1:] if name == POSTGRES else [stands_for.get(name, name)]
    return list(dict.fromkeys(chosen)) or defaults


def second_major(names: Iterable[str]) -> str | None:
    """Of these the kind that waits for the slow run: the older major, where no major was asked for by its name.

    Most tests are about what both majors do alike.
    """
    names = list(names)
    return default_kinds()[1] if not names or POSTGRES in names else None


def when_on_second_major(file: Path) -> pytest.MarkDecorator:
    """The mark of a test on the older major: `slow`; `second_major` where statements are not its subject.

    No statement of ours asks for the major, so that what a process does when it is killed is the same on both.
    file: of the test.
    """
    others = any(file.is_relative_to(TESTS / folder) for folder in ABOUT_PROCESSES | ABOUT_RUNS)
    return pytest.mark.second_major if others else pytest.mark.slow


class Databases:
    """Servers and template databases of one test process. `close()` ends and removes them."""

    def __init__(self) -> None:
        in_memory = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > MEMORY_NEEDED
        self.folder = Path(tempfile.mkdtemp(prefix="sexton-tests-", dir=MEMORY if in_memory else None))
        self.folder.chmod(0o755)  # servers of another account live below
        self._servers: dict[str, Server] = {}
        self._templates: set[str] = set()
        self._numbers = count(1)

    def server(self, kind: str) -> Server:
        """The server of this kind, up. Skips or fails the running test when this machine has none."""
        server = self._servers.get(kind)
        if server is None:
            try:
                server = self._servers[kind] = self.start(int(kind.removeprefix(POSTGRES)))
            except ServerMissing as error:
                missing(kind, str(error))
        server.boot()  # the test before may have left it down
        return server

    def start(self, major: int | None = None, **settings: str) -> Server:
        """A server of one's own, in memory where that is possible. The caller stops it.

        Its autovacuum sleeps: it would come by at any moment, as somebody who writes, locks and changes plans.
        """
        return start(major, under=self.folder, **{"max_wal_size": "128MB", "autovacuum_naptime": "20d", **settings})

    @contextmanager
    def fresh(self, kind: str, *, migrated: bool) -> Iterator[str]:
        """URL of a new database, with Sexton's tables when `migrated`; it is gone afterwards."""
        template = self._template(kind) if migrated else None
        name = f"test_{next(self._numbers)}"
        url = self._create(kind, name, template)
        try:
            yield url
        finally:
            self._drop(kind, name)

    def close(self) -> None:
        """End all servers and remove all files."""
        for server in self._servers.values():
            server.stop()
        shutil.rmtree(self.folder)

    def _create(self, kind: str, name: str, template: str | None) -> str:
        if kind != SQLITE:
            return self.server(kind).create_database(name, template)
        if template:
            shutil.copyfile(self._file(template), self._file(name))
        return f"sqlite:///{self._file(name)}"

    def _drop(self, kind: str, name: str) -> None:
        if kind != SQLITE:
            self.server(kind).drop_database(name)
            return
        for leftover in self.folder.glob(f"{name}.db*"):  # with -wal and -shm
            leftover.unlink()

    def _file(self, name: str) -> Path:
        return self.folder / f"{name}.db"

    def _template(self, kind: str) -> str:
        """Name of the database of this kind that has Sexton's tables, made when first asked for."""
        if kind not in self._templates:
            _migrate(self._create(kind, TEMPLATE, None))
            self._templates.add(kind)
        return TEMPLATE


def _migrate(url: str) -> None:
    from sexton.db.connect import open_database
    from sexton.db.migrate import migrate

    engine = open_database(url)
    migrate(engine)
    engine.dispose()
