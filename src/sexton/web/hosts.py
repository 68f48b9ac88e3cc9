"""The pages answer only to names that are ours: a page in somebody's browser cannot read them under its own (SEC-21).

A browser is lured here by a name of the attacker's that leads to our address, and it sends that name along. So numbers
are always answered to: probes of orchestrators and monitors ask for the address itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from ..addresses import is_loopback, numeric

ANY_HOST = "*"
"""Among the hosts of the settings: whoever stands before us has judged already."""

MISDIRECTED = "these pages are not served under this name; name it in web.hosts\n"


_PORT = re.compile(r":[0-9]*\Z")


class OwnHosts:
    """Answers 421 to requests under other names. hosts: names beside loopback ones and addresses."""

    def __init__(self, pages: ASGIApp, hosts: Iterable[str]) -> None:
        self._pages = pages
        self._hosts = {host.lower().rstrip(".") for host in hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        told = [value for name, value in scope.get("headers", ()) if name == b"host"]
        if all(self._is_ours(value.decode("latin-1")) for value in told):
            await self._pages(scope, receive, send)
            return
        await PlainTextResponse(MISDIRECTED, 421, {"cache-control": "no-store"})(scope, receive, send)

    def _is_ours(self, told: str) -> bool:
        """told: the header's value, with or without a port; empty when somebody asked without one, as HTTP/1.0 may."""
        host = _without_port(told).lower().rstrip(".")
        if ANY_HOST in self._hosts or not told or host in self._hosts:
            return True
        return is_loopback(host) or numeric(host) is not None


def _without_port(told: str) -> str:
    """The host; all of it when what follows is no port, as in "[::1].example.com"."""
    return _PORT.sub("", told)
