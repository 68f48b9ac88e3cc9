"""Settings of what outside monitors ask: the pages of the worker, the textfile of metrics, the heartbeat."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..setting_fields import Misfit, setting

_PORT = re.compile(r"[0-9]{1,5}")


@dataclass(frozen=True, slots=True)
class WebSettings:
    """The pages that a worker serves: `/metrics`, `/api/health/cron`, `/healthz`, `/readyz`."""

    listen: str | None = setting(
        None,
        "address and port of the worker's pages; left out: no pages. They have no password of their own",
        example="127.0.0.1:8787",
    )

    hosts: tuple[str, ...] = setting(
        (),
        "names under which the pages may be asked for, for instance that of a proxy; loopback names, addresses and the "
        'name in `listen` always are; "*": any',
        kind="host",
        example=("monitor.example.com", "worker"),
    )

    def check(self) -> None:
        """ValueError when `listen` is no address."""
        if self.listen:
            try:
                address_of(self.listen)
            except ValueError as error:
                raise Misfit(str(error), "listen") from None


@dataclass(frozen=True, slots=True)
class MetricsSettings:
    """Metrics for where nobody can ask this process: a file, and a sign of life."""

    textfile: str | None = setting(
        None,
        "file that metrics are written to, for the textfile collector of node_exporter; left out: none",
        example="/var/lib/node_exporter/textfile/sexton.prom",
    )
    group: str | None = setting(
        None,
        "group of this host whose members may read that file; left out: all may, as it holds names and counts of jobs "
        "and no secret",
        example="node_exporter",
    )
    heartbeat: str | None = setting(
        None,
        "URL that is asked for after each round in which no run failed; a monitor that misses it raises the alarm; "
        "whoever knows it can stand in for us, so put it into .env",
        kind="url",
        secret=True,
        example="https://hc.example.com/ping/0000",
    )

    def check(self) -> None:
        """ValueError when nobody would read the file."""
        if self.textfile and not self.textfile.endswith(".prom"):
            raise Misfit(f'"{self.textfile}" must end in .prom; node_exporter reads no other file', "textfile")


def address_of(listen: str) -> tuple[str, int]:
    """Host and port of "127.0.0.1:8787" or "[::1]:8787". ValueError for anything else, ":8787" too: it says no host."""
    host, colon, port = listen.rpartition(":")
    if not colon or not _PORT.fullmatch(port) or int(port) > 65_535:
        raise ValueError(f'"{listen}" is no address; write for instance "127.0.0.1:8787"')
    if not host:
        raise ValueError(
            f'"{listen}" names no address; write "127.0.0.1{listen}", or "0.0.0.0{listen}" for every address'
        )
    if ":" in host and not (host.startswith("[") and host.endswith("]")):
        raise ValueError(f'"{listen}": put an IPv6 address into brackets, "[::1]:8787"')
    return host.strip("[]"), int(port)
