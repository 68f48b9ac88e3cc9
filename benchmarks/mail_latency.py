"""R3: from the COMMIT of a message to the DATA of its mail, one at a time, with an idle worker.

Beside it a bare listener: one psycopg connection that waits for a NOTIFY and sends one mail by smtplib.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

from sqlalchemy import Engine

from sexton.db.connect import open_database
from sexton.db.migrate import migrate
from sexton.outbox.write import tell

from .figures import Options, Row, note, percentile
from .quiet import wait_for_rest
from .server import connect, durable_server
from .smtp_server import STAMPS, smtp_server

MAILS = 150
WARM = 5
"""Mails before the measurement: the first one loads what mail needs."""

MOST_P99 = 50.0
"""Milliseconds."""

_BARE = """import smtplib, sys, psycopg
from email.message import EmailMessage
with psycopg.connect(sys.argv[1], autocommit=True) as connection:
    connection.execute("LISTEN bare")
    print("ready", flush=True)
    while True:
        for notify in connection.notifies(stop_after=1):
            message = EmailMessage()
            message["From"], message["To"], message["Subject"] = "shop@example.com", notify.payload, "code"
            message.set_content("code")
            with smtplib.SMTP("127.0.0.1", int(sys.argv[2])) as relay:
                relay.send_message(message)
"""
_SETTINGS = """database = "{url}"

[channel.email]
host = "127.0.0.1"
port = {port}
security = "none"
sender = "shop@example.com"

[route.code]
event = "code"
channel = "email"
to = "{{recipient}}"
"""


def run(options: Options) -> list[Row]:
    """Both sides on one durable server, one after the other. options: not used, as one mail waits at a time."""
    with durable_server() as server, smtp_server(STAMPS) as (port, process):
        received = process.stdout
        assert received is not None
        url = server.create_database("latency")
        engine = open_database(url)
        migrate(engine)
        bare = _bare(url, port, received)
        ours = _by_worker(url, port, received, engine)
        engine.dispose()
    p50, p99 = percentile(ours, 0.5), percentile(ours, 0.99)
    beside = f"a bare listener {percentile(bare, 0.5):.1f} and {percentile(bare, 0.99):.1f} ms"
    return [
        Row(
            id="R3",
            target=f"COMMIT of a message to DATA of its mail, idle worker: p99 <= {MOST_P99:.0f} ms",
            measured=f"p50 {p50:.1f} ms, p99 {p99:.1f} ms ({beside})",
            met=p99 <= MOST_P99,
        )
    ]


def _bare(url: str, port: int, received: IO[str]) -> list[float]:
    command = [sys.executable, "-c", _BARE, url.replace("+psycopg", ""), str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as listener, connect(url) as connection:
        assert listener.stdout is not None
        try:
            listener.stdout.readline()

            def ask(recipient: str) -> None:
                connection.execute("SELECT pg_notify('bare', %s)", [recipient])

            return _measured(ask, received, "bare")
        finally:
            listener.kill()


def _by_worker(url: str, port: int, received: IO[str], engine: Engine) -> list[float]:
    with tempfile.TemporaryDirectory(prefix="sexton-benchmark-") as folder:
        settings = Path(folder) / "sexton.toml"
        settings.write_text(_SETTINGS.format(url=url, port=port))
        command = [sys.executable, "-m", "sexton.cli.main", "worker", f"--config={settings}"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as worker:
            try:

                def ask(recipient: str) -> None:
                    with engine.begin() as connection:
                        tell(connection, "code", key=recipient, subject=recipient, payload={}, to=recipient)

                return _measured(ask, received, "ours")
            finally:
                worker.terminate()


def _measured(ask: Callable[[str], None], received: IO[str], who: str) -> list[float]:
    """Milliseconds from before the COMMIT, for each mail after the first few."""
    found = []
    for number in range(WARM + MAILS):
        if number == WARM:
            wait_for_rest()
            note(f"  {who}: {MAILS} mails, a quarter of a second apart")
        time.sleep(0.25)  # idle again
        recipient = f"{who}-{number}@example.com"
        began = time.time()
        ask(recipient)
        there, at = received.readline().split()
        assert there == recipient, f"{there} instead of {recipient}"
        found.append((float(at) - began) * 1000)
    return found[WARM:]
