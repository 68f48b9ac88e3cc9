"""Web addresses that strangers registered: each is disabled when it is gone, or has failed for days; its owner is told.

What is kept of one stands in `destinations`, under a name that does not show the address (W7).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from ..call_state import CallState
from ..channels.endpoint_health import EndpointHealth, EndpointVerdict, endpoint_name
from ..clock import iso
from ..db.effect_keys import effect_key
from ..db.tables import own_tables
from ..db.upsert import upsert
from ..outbox.write import tell
from ..policies.call_rule import RecordedCall

ENDPOINT_FAILING = "sexton.endpoint_failing"
"""The event that warns an owner, a day after the first failure; route it through another channel."""

ENDPOINT_DISABLED = "sexton.endpoint_disabled"
"""The event that tells him that nothing is sent there any more."""

_EVENTS = {EndpointVerdict.WARN: ENDPOINT_FAILING, EndpointVerdict.DISABLE: ENDPOINT_DISABLED}
_COLUMNS = tuple(field.name for field in fields(EndpointHealth))


def disabled(connection: Connection, addresses: Collection[str]) -> dict[str, datetime]:
    """Of these addresses those that are disabled, and since when."""
    names = {endpoint_name(address): address for address in addresses}
    known = _known(connection, names)
    return {names[name]: health.disabled_at for name, health in known.items() if health.disabled_at is not None}


def after_calls(connection: Connection, recorded: Sequence[RecordedCall], addresses: Mapping[Any, str]) -> None:
    """Keep what the calls say about their endpoints, in the transaction that records them.

    addresses: of the strangers' endpoints that were called, by the id of the delivery.
    """
    calls = [(addresses[call.row.id], call) for call in recorded if call.row.id in addresses]
    known = _known(connection, {endpoint_name(address) for address, _ in calls}, lock=True)
    for address, call in calls:
        name, at = endpoint_name(address), call.at
        before = known.get(name, EndpointHealth())
        if call.state is CallState.DONE:
            now, verdict = before.succeeded(at), EndpointVerdict.NOTHING
        else:
            now, verdict = before.failed(at, gone=call.state is CallState.GONE)
        if now != before and (verdict is not EndpointVerdict.NOTHING or _matters(before, now)):
            _keep(connection, name, now)
        known[name] = now
        if verdict is not EndpointVerdict.NOTHING:
            _tell_owner(connection, name, call, now, _EVENTS[verdict], at)


def _matters(before: EndpointHealth, now: EndpointHealth) -> bool:
    """Not each success of one that works: a row that all calls write would queue them."""
    healthy = before.first_failed_at is None and now.first_failed_at is None
    return not (healthy and before.last_ok_at is not None)


def _known(connection: Connection, names: Collection[str], *, lock: bool = False) -> dict[str, EndpointHealth]:
    if not names:
        return {}
    table = own_tables(connection.dialect.name).destinations
    asked = select(table.c.name, *(table.c[name] for name in _COLUMNS)).where(table.c.name.in_(list(names)))
    found = connection.execute(asked.order_by(table.c.name).with_for_update() if lock else asked)
    return {row[0]: EndpointHealth(*row[1:]) for row in found}


def _keep(connection: Connection, name: str, health: EndpointHealth) -> None:
    table = own_tables(connection.dialect.name).destinations
    values = asdict(health)
    made = upsert(connection.dialect.name, table).values(name=name, rests=0, failed_subjects=[], **values)
    connection.execute(made.on_conflict_do_update(index_elements=[table.c.name], set_=values))


def _tell_owner(
    connection: Connection, name: str, call: RecordedCall, health: EndpointHealth, event: str, at: datetime
) -> None:
    since = health.first_failed_at or at
    payload = {"endpoint": call.row.destination, "since": iso(since), "event": call.row.event_type}
    key = effect_key(event, name, since)
    tell(connection, event, key=key, subject=name, payload=payload, to=call.row.recipient, at=at)
