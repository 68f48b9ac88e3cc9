"""A folder of a user, and the command line in a process of its own, as a shell or cron starts it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy import Engine

from sexton.cli.main import main
from sexton.db.connect import open_database
from tests.support.patience import PATIENCE

JOBS = '''
"""Jobs of a shop."""

from sqlalchemy import BigInteger, Column, Integer, MetaData, Table, Text

from sexton import Job, Purge, Transition, UtcDateTime, cron

Number = BigInteger().with_variant(Integer(), "sqlite")
sessions = Table(
    "sessions",
    MetaData(),
    Column("id", Number, primary_key=True),
    Column("status", Text),
    Column("expires_at", UtcDateTime),
)
columns = sessions.c

purge = Job(
    "shop.purge_sessions",
    schedule=cron("17 3 * * *", tz="Europe/Berlin"),
    work=Purge(sessions, by=columns.expires_at, keep="0s", kind="deadline"),
    description="delete sessions whose time is up",
)
expire = Job(
    "shop.expire_sessions",
    work=Transition(
        sessions, {"status": "expired"}, only=columns.status == "open", by=columns.expires_at, kind="deadline"
    ),
)
'''


KEPT = ("PATH", "HOME", "PYTHONPATH", "LANG", "TMPDIR", "SEXTON_TRUST_OWNER")
"""What a child takes from our environment."""


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def line(self) -> str:
        """The one line on stderr; fails when there is more, or less, or a traceback."""
        lines = self.err.splitlines()
        assert len(lines) == 1, f"{len(lines)} lines on stderr:\n{self.err}\n--- stdout:\n{self.out}"
        return lines[0]


@dataclass
class Shell:
    """A working folder, an environment without settings, and `sexton`."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    def write(self, name: str, text: str) -> None:
        """A file in the folder."""
        (self.folder / name).write_text(text, encoding="utf-8")

    def sexton(self, *words: str, **environment: str) -> Done:
        """Run `sexton WORDS…` to its end."""
        return self.python("-m", "sexton.cli.main", *words, **environment)

    def python(self, *words: str, **environment: str) -> Done:
        """Run Python with these words to its end."""
        kept = {name: value for name, value in os.environ.items() if name in KEPT or name.startswith("SEXTON_TEST")}
        done = subprocess.run(
            [sys.executable, *words],
            cwd=self.folder,
            env={**kept, **self.environment, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)


class Inside(Shell):
    """The same in this process, where a test starts many commands; `close()` ends their connections."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
        super().__init__(folder)
        self._monkeypatch, self._capfd = monkeypatch, capfd
        self._engines: list[Engine] = []
        monkeypatch.chdir(folder)
        monkeypatch.setattr(sys, "path", list(sys.path))
        monkeypatch.setattr("sexton.db.connect.open_database", self._open)

    def sexton(self, *words: str, **environment: str) -> Done:
        """Run `sexton WORDS…`."""
        with self._monkeypatch.context() as patch:
            for name, value in {**self.environment, **environment}.items():
                patch.setenv(name, value)
            code = main(list(words))
        return Done(code, *self._capfd.readouterr())

    def close(self) -> None:
        """End the connections of all commands."""
        for engine in self._engines:
            engine.dispose()

    def _open(self, url: str, *, create: bool = True, trusted: Sequence[str] = ()) -> Engine:
        self._engines.append(open_database(url, create=create, trusted=trusted))
        return self._engines[-1]
