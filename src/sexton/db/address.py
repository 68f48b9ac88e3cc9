"""Where a database is, in words: what the driver makes of a URL and of the environment, without user or password."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import zip_longest
from typing import Any

from sqlalchemy.engine import URL

from ..masking import scrubbed

PORT = "5432"


def place(url: URL) -> str:
    """Hosts, ports and name, or the socket, the service, the file; never user or password.

    What stands behind the ? of a URL wins over what stands before it, and both over PGHOST and its kin.
    """
    if url.get_backend_name() == "sqlite":
        return f"SQLite file {url.database or ':memory:'}"
    _, given = url.get_dialect()().create_connect_args(url)
    if "service" in given and not ("host" in given or "hostaddr" in given):
        name = f"database {given['dbname']} of " if "dbname" in given else "database of "
        return scrubbed(f"{name}service {given['service']}")
    known = {**_defaults(), **given}
    name = known.get("dbname") or (known.get("user") and "named as its user") or "by default"
    return scrubbed(f"database {name} on {_servers(known)}")


def _defaults() -> dict[str, str]:
    """What libpq takes from the environment and from the service that PGSERVICE names."""
    from psycopg.pq import Conninfo

    return {option.keyword.decode(): option.val.decode() for option in Conninfo.get_defaults() if option.val}


def _servers(known: Mapping[str, Any]) -> str:
    hosts, addresses, ports = (str(known.get(name) or "").split(",") for name in ("host", "hostaddr", "port"))
    servers = list(zip_longest(hosts, addresses, fillvalue=""))
    ports = ports * len(servers) if len(ports) == 1 else ports  # one for all
    return ", ".join(_server(*one, port or PORT) for one, port in zip(servers, ports, strict=False))


def _server(host: str, address: str, port: str) -> str:
    if address:
        return f"{_bracketed(address)}:{port}{f' ({host})' if host else ''}"
    if host.startswith("/"):
        return f"the socket {host}/.s.PGSQL.{port}"
    return f"{_bracketed(host)}:{port}" if host else f"the local socket:{port}"


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
