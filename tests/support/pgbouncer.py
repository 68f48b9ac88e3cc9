"""A private PgBouncer in transaction mode before a PostgreSQL server: every transaction gets another session."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.engine import make_url

from sexton.testing.processes import free_port, spawn, unprivileged_account, wait_until

from .patience import PATIENCE
from .require import program

SETTINGS = """
[databases]
* = host=127.0.0.1 port={server} user={user}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 4
max_client_conn = 200
ignore_startup_parameters = extra_float_digits
"""


@contextmanager
def pgbouncer(url: str) -> Iterator[str]:
    """Start one before the server of this URL; gives the URL of the same database through it."""
    command = program("pgbouncer")
    target, account = make_url(url), unprivileged_account()
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="sexton-pgbouncer-") as name:
        folder = Path(name)
        (folder / "pgbouncer.ini").write_text(SETTINGS.format(server=target.port, port=port, user=target.username))
        log = folder / "log"
        folder.chmod(0o755)
        process = spawn([command, str(folder / "pgbouncer.ini")], folder, log, dict(os.environ), account)
        try:
            assert wait_until(lambda: _answers(port), PATIENCE), log.read_text()
            yield target.set(port=port).render_as_string(hide_password=False)
        finally:
            _end(process)


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 0.2).close()
    except OSError:
        return False
    return True


def _end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
