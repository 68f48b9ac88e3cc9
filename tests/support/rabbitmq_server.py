"""A private RabbitMQ: a node, a cookie and a port mapper of its own, all on 127.0.0.1, and no plugins.

with RabbitMQServer() as server:         # or the fixtures rabbitmq_url, start_rabbitmq
    amqp.Connection(host=f"127.0.0.1:{server.port}")
"""

from __future__ import annotations

import subprocess
from itertools import count
from pathlib import Path
from typing import NoReturn

from .patience import PATIENCE
from .private_server import PrivateServer, ask
from .require import missing, program

FOLDERS = ("/usr/lib/rabbitmq/bin", "/opt/homebrew/sbin", "/usr/local/sbin")
"""Of the programs themselves: those that Debian puts into the path change the user."""

# The node would start a port mapper of its own as a daemon, which nobody could find again.
_SCRIPT = """
"$1" -port "$ERL_EPMD_PORT" -address 127.0.0.1 &
until "$1" -names >/dev/null 2>&1; do kill -0 $! || exit 1; sleep 0.05; done
exec "$2"
"""


class RabbitMQServer(PrivateServer):
    """RabbitMQ with the user and password `guest`. It takes 2 to 6 seconds to start, so share it where you can."""

    kind = "rabbitmq"
    purposes = ("clients", "nodes", "mapper")

    def __init__(self, under: Path | None = None, **settings: str) -> None:
        """settings: of rabbitmq.conf, a dot written as `__`; they win over ours.

        Skips or fails the test without the programs.
        """
        places = [Path(folder, "rabbitmq-server") for folder in FOLDERS]
        self._program = next((place for place in places if place.exists()), None) or _absent()
        self._mapper = program("epmd")
        super().__init__(under)
        self._settings = {name.replace("__", "."): value for name, value in settings.items()}
        self._numbers = count(1)

    @property
    def url(self) -> str:
        """Of the virtual host `/`."""
        return self.url_of("%2F")

    def url_of(self, name: str) -> str:
        """Of a virtual host, its name quoted for a URL."""
        return f"amqp://guest:guest@127.0.0.1:{self.port}/{name}"

    def fresh(self) -> str:
        """URL of a new virtual host; boots the server where it is down. The host stays until its data goes."""
        self.boot()
        name = f"test_{next(self._numbers)}"
        self.control("add_vhost", name)
        self.control("set_permissions", "-p", name, "guest", ".*", ".*", ".*")
        return self.url_of(name)

    def control(self, *words: str) -> str:
        """What `rabbitmqctl --quiet WORDS` prints. RuntimeError when it fails."""
        command = [str(self._program.with_name("rabbitmqctl")), "--quiet", *words]
        done = subprocess.run(
            command,
            check=False,
            env=self._environment(),
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        if done.returncode:
            raise RuntimeError(f"rabbitmqctl {' '.join(words)}: {done.stdout}{done.stderr}")
        return done.stdout

    def _command(self) -> list[str]:
        settings = {"listeners.tcp.1": f"127.0.0.1:{self.port}", **self._settings}
        (self.folder / "rabbitmq.conf").write_text("".join(f"{name} = {value}\n" for name, value in settings.items()))
        (self.folder / "plugins").write_text("[].\n")
        return ["/bin/sh", "-c", _SCRIPT, "rabbitmq", self._mapper, str(self._program)]

    def _environment(self) -> dict[str, str]:
        quiet = "+sbwt none +sbwtdcpu none +sbwtdio none"  # idle schedulers do not turn a processor
        return {
            **super()._environment(),
            "ERL_CRASH_DUMP_SECONDS": "0",  # none is written
            "ERL_EPMD_PORT": str(self.ports["mapper"]),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"sexton{self.ports['nodes']}@localhost",
            "RABBITMQ_DIST_PORT": str(self.ports["nodes"]),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": f"-kernel inet_dist_use_interface {{127,0,0,1}} {quiet}",
            "RABBITMQ_MNESIA_BASE": str(self.data),
            "RABBITMQ_LOG_BASE": str(self.folder),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "plugins"),
            "RUNNING_UNDER_SYSTEMD": "yes",  # the node takes the place of its script, so that signals reach it
        }

    def _answers(self) -> bool:
        """Whether it greets a client of AMQP 0-9-1 with the first method."""
        return ask(self.port, b"AMQP\x00\x00\x09\x01").startswith(b"\x01\x00\x00")


def _absent() -> NoReturn:
    missing("rabbitmq", "no rabbitmq-server; run: make services")
