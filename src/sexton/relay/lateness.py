"""What is no longer worth sending: ended set-based, before anybody is called."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import and_

from ..call_state import CallState
from ..db.time_parameters import now
from ..policies.contract import Change, Plan, in_rows
from .relay import MessageRelay


@dataclass(frozen=True, slots=True, eq=False)
class DropLate:
    """The policy. A delivery that is claimed is looked at by whoever has claimed it."""

    relay: MessageRelay
    name: str = "late"

    def plan(self) -> Plan:
        """Deliveries whose `send_before` has come."""
        d = self.relay.deliveries.c
        late = and_(d.closed_at.is_(None), d.state == CallState.WAITING, d.send_before <= now())
        values = {"state": CallState.DROPPED, "code": CallState.DROPPED.value, "error": "too late to be sent"}
        return Plan(
            step=self.name,
            table=self.relay.deliveries,
            key=(d.id,),
            order=self.relay.order,
            due=and_(late, self.relay.mine),
            main=Change.update(
                "deliveries",
                self.relay.deliveries,
                lambda rows: in_rows((d.id,), rows["picked"]),
                lambda rows: values,
            ),
        )
