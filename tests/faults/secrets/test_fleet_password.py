"""X1: the password of a database of the fleet is shown nowhere: nor in processes, nor in any table."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, select, text
from sqlalchemy.engine import make_url

from sexton.db.connect import open_database
from sexton.db.tables import own_tables
from sexton.testing.postgres import Server
from sexton.testing.processes import wait_until
from tests.cli.shell import Done, Shell
from tests.support.patience import PATIENCE
from tests.support.proxy import FREEZE, Proxy

SECRET = "qXfleetX8"

EVERY_ACTION = [("list",), ("list", "--json"), ("migrate",), ("check",), ("check", "--json"), ("adopt", "shop")]


@pytest.fixture
def server(start_server: Callable[..., Server]) -> Server:
    """One that asks the role of the jobs for a password."""
    server = start_server(18)
    rules = server.data / "pg_hba.conf"
    rules.write_text("host all keeper 127.0.0.1/32 scram-sha-256\n" + rules.read_text())
    execute(server.url, f"CREATE ROLE keeper LOGIN PASSWORD '{SECRET}'", "GRANT CREATE ON DATABASE postgres TO keeper")
    server.restart()
    execute(server.url, "CREATE DATABASE home")
    return server


@pytest.fixture
def shell(server: Server, tmp_path: Path) -> Shell:
    """A home database, and a shop that asks for a password."""
    shell = Shell(tmp_path)
    shell.write("sexton.toml", f'database = "{server.url_of("home")}"\n[fleet]\nfile = "fleet.jsonl"\n')
    shell.write("password", SECRET)
    assert shell.sexton("migrate").code == 0
    return shell


def lists(shell: Shell, server: Server, secret: str, address: str = "") -> None:
    """Write the list: the shop, whose password is kept there."""
    address = address or server.url.replace("postgres@", "keeper@")
    shell.write("fleet.jsonl", json.dumps({"name": "shop", "url": address, "secret": secret}))


def references(folder: Path) -> Iterator[str]:
    """Every way to say where it is."""
    yield "env:SHOP_PASSWORD"
    yield f"file:{folder / 'password'}"
    yield f"passfile:{folder / 'pgpass'}"
    yield "command:" + json.dumps([sys.executable, "-c", f"print(open({str(folder / 'password')!r}).read())"])


def test_x1_no_action_and_no_table_shows_the_password(shell: Shell, server: Server) -> None:
    pgpass = shell.folder / "pgpass"
    pgpass.write_text(f"*:*:*:keeper:{SECRET}\n")
    pgpass.chmod(0o600)
    for reference in references(shell.folder):
        lists(shell, server, reference)
        for words in EVERY_ACTION:
            done = shell.sexton("fleet", *words, SHOP_PASSWORD=SECRET)
            assert done.code == 0, (reference, words, done)
            assert_hidden(done)

    for url in (server.url, server.url_of("home")):
        assert SECRET not in dump(url)
    assert SECRET not in server.log.read_text()


@pytest.mark.parametrize("address", ["keeper@127.0.0.1:1", "keeper@nowhere.invalid"])
def test_x1_what_is_said_of_one_that_is_not_reached_is_without_it(shell: Shell, server: Server, address: str) -> None:
    lists(shell, server, "env:SHOP_PASSWORD", f"postgresql+psycopg://{address}/shop")

    done = shell.sexton("fleet", "check", "--json", SHOP_PASSWORD=SECRET)

    assert done.code == 69
    assert_hidden(done)


def test_x1_a_wrong_password_is_told_without_it(shell: Shell, server: Server) -> None:
    lists(shell, server, "env:SHOP_PASSWORD")

    done = shell.sexton("fleet", "check", SHOP_PASSWORD=f"{SECRET}wrong")

    assert done.code == 69
    assert "password authentication failed for user … (shop)" in " ".join(done.out.split())
    assert_hidden(done)


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="the command lines of all processes are in /proc")
def test_x1_while_it_works_no_process_and_no_session_shows_it(
    shell: Shell, server: Server, open_proxy: Callable[[str], Proxy]
) -> None:
    """A command line and a name of a session are read by everybody on the machine."""
    reference = f"file:{shell.folder / 'password'}"
    lists(shell, server, reference)
    assert shell.sexton("fleet", "migrate").code == 0
    proxy = open_proxy(server.url)
    lists(shell, server, reference, proxy.url_for(server.url.replace("postgres@", "keeper@")))
    proxy.on(lambda statement: "identity" in statement.text, FREEZE)

    command = [sys.executable, "-m", "sexton.cli.main", "fleet", "adopt", "shop"]
    with subprocess.Popen(command, cwd=shell.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as adopting:
        frozen = wait_until(lambda: proxy.frozen, PATIENCE)
        seen = "".join(path.read_bytes().decode(errors="replace") for path in Path("/proc").glob("[0-9]*/cmdline"))
        engine = create_engine(server.url)
        with engine.connect() as connection:
            sessions = connection.execute(text("SELECT * FROM pg_stat_activity")).all()
        engine.dispose()
        adopting.kill()

    assert frozen
    assert "fleet\0adopt" in seen
    assert SECRET not in seen
    assert "keeper" in str(sessions)
    assert SECRET not in str(sessions)


def assert_hidden(done: Done) -> None:
    assert SECRET not in done.out
    assert SECRET not in done.err


def dump(url: str) -> str:
    """All our rows as text."""
    engine = open_database(url)
    try:
        with engine.connect() as connection:
            tables = own_tables("postgresql").metadata.sorted_tables
            return "\n".join(str(tuple(row)) for table in tables for row in connection.execute(select(table)))
    finally:
        engine.dispose()


def execute(url: str, *statements: str) -> None:
    """Statements, each for itself."""
    engine = create_engine(make_url(url), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()
