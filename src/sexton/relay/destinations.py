"""Who is called for a delivery: what rests together when it is down, as SQL over the recipients of a batch."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Text, case
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from ..channels.contract import ConfiguredChannel
from ..db.sql_expressions import as_text
from .routes import Route


class url_host(FunctionElement[str]):  # noqa: N801 (reads as the SQL function it is)
    """The host of a web address, with its port, without user and path; never the rest, which may be a secret."""

    type = Text()
    inherit_cache = True


@compiles(url_host, "postgresql")
def _host_postgresql(element: url_host, compiler: SQLCompiler, **kw: Any) -> str:
    text = compiler.process(element.clauses, **kw)
    place = f"split_part(split_part(split_part(split_part({text}, '://', 2), '/', 1), '?', 1), '#', 1)"
    return f"left(lower(regexp_replace({place}, '^.*@', '')), 255)"


@compiles(url_host, "sqlite")
def _host_sqlite(element: url_host, compiler: SQLCompiler, **kw: Any) -> str:
    place = compiler.process(element.clauses, **kw)
    place = f"substr({place}, instr({place}, '://') + 3)"
    for end in "/?#":
        place = f"substr({place}, 1, instr({place} || '{end}', '{end}') - 1)"
    return f"substr(lower(substr({place}, instr({place}, '@') + 1)), 1, 255)"


def destination(route: Route, channel: ConfiguredChannel[Any], recipient: ColumnElement[str]) -> ColumnElement[str]:
    """The name of the destination for each recipient.

    Of a channel that leads to one place, its own; of a fixed address what the channel says; else the host of a web
    address, or whom the product knows by that name: one receiver that is down holds up no other.
    """
    anywhere = {channel.destination(f"https://{name}.example/") for name in ("one", "two")}
    if len(anywhere) == 1 or route.fixed:
        return as_text(channel.destination(route.to) if route.fixed else anywhere.pop())
    host = as_text(f"{channel.name}:").op("||")(url_host(recipient))
    named = as_text(f"{channel.name}:").op("||")(recipient)
    return case((recipient.like("%://%"), host), else_=named)
