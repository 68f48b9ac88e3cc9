"""Claim rows to call for: due, free, within the budget, and none whose destination rests or has enough calls already.

Each destination is asked for its own rows, in turn: one with a million rows that hangs takes its few calls, and the
others are found without reading past its rows (W8).
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, bindparam, func, literal, select
from sqlalchemy.types import Text

from ...calls import budgets, destinations
from ...calls.claim_store import (
    ATTEMPTS,
    CODE,
    FIRST,
    STATE,
    SUBJECT,
    CallLease,
    ClaimStore,
    chunks,
    is_spent,
    lease_end,
    was_uncertain,
)
from ...calls.claimed_row import ClaimedRow
from ...db.ledger import subject_text
from ...db.server_clock import ask_now
from ...policies.call_rule import CallRule
from ...policies.contract import Plan
from ...statements.batch_strategy import Request, parameters
from ...statements.selection import limit

KEY, DESTINATION = "sexton_key", "sexton_destination"

WHO, AFTER = "sexton_who", "sexton_after_who"
"""Names of parameters: the destination whose rows are asked for; the one after which others are listed."""

DESTINATIONS_AT_ONCE = 200
"""Destinations that one look lists, from where the last one ended."""


@dataclass(frozen=True, slots=True)
class Look:
    """What one claim needs to know. at: the run's time now.  free: calls that may begin.  busy: calls to each now."""

    request: Request
    at: datetime
    free: int
    busy: Mapping[str, int]


class Claiming:
    """Claims for one step."""

    def __init__(self, plan: Plan, rule: CallRule, store: ClaimStore) -> None:
        self.plan, self.rule, self.store = plan, rule, store
        self._after = ""
        self._asked = False
        self._pick = lru_cache(maxsize=2)(self._build_pick)
        self._list = lru_cache(maxsize=1)(self._build_list)

    @property
    def statement(self) -> Select[Any]:
        """What finds the rows of a claim and locks them."""
        return self._pick(False)

    def claim(self, connection: Connection, look: Look) -> list[list[ClaimedRow]]:
        """Rows that are ours from the commit on, in groups of one call each. Fewer than are free: there are no more."""
        clock, token = ask_now(connection), secrets.token_hex(8)
        names = self._names(connection, look)
        self._end_lasting_rests(connection, names, look)
        one = isinstance(self.rule.destination, str)
        may = destinations.available(
            connection, names, look.at, self.rule.concurrency if one else self.rule.per_destination
        )
        free = {name: calls for name in names if (calls := may[name] - look.busy.get(name, 0)) > 0}
        probes = destinations.probes_due(connection, [name for name in free if may[name] == 1], look.at)
        groups: list[list[ClaimedRow]] = []
        turn = list(free)[: look.free]
        # In the order of their names, in which all processes lock them; who comes first, the turn has decided.
        for name in sorted(turn):
            calls = min(free[name], look.free - len(groups))
            rows = self._granted(connection, look, name, calls, token, probing=name in probes) if calls > 0 else []
            groups += [list(group) for group in chunks(rows, self.rule.batch)]
        self._after = turn[-1] if turn else self._after
        return self._make_ours(connection, look, groups, CallLease(clock, lease_end(clock, self.rule.timeout)))

    def _end_lasting_rests(self, connection: Connection, names: list[str], look: Look) -> None:
        """Once a run: whoever rests as somebody has to change something is called again when that was changed."""
        if self.rule.settings and not self._asked:
            self._asked = True
            destinations.reset(connection, dict.fromkeys(names, self.rule.settings), look.at)

    def _granted(
        self, connection: Connection, look: Look, name: str, calls: int, token: str, *, probing: bool
    ) -> list[ClaimedRow]:
        """Rows of one destination that may be called for: found, then its probe if one is due, then permits."""
        rows = self._rows(connection, look, name, 1 if probing else calls * self.rule.batch, token, probing)
        ends = lease_end(look.at, self.rule.timeout)
        if rows and probing and not destinations.take_probe(connection, name, token, ends, look.at):
            return []  # somebody else finds out whether it is back
        if rows and self.rule.rates:
            rows = rows[: budgets.permits(connection, name, self.rule.rates, len(rows), ask_now(connection))]
            if probing and not rows:
                destinations.give_back_probe(connection, name, token)
        return rows

    def _make_ours(
        self, connection: Connection, look: Look, groups: list[list[ClaimedRow]], lease: CallLease
    ) -> list[list[ClaimedRow]]:
        rows = [row for group in groups for row in group]
        if not rows:
            return []
        assert look.request.run_id is not None
        ours = self.store.claim(connection, rows, look.request.run_id, look.at, lease)
        kept = [[row for row in group if row.subject in ours] for group in groups]
        return [group for group in kept if group]

    def _names(self, connection: Connection, look: Look) -> list[str]:
        """Who has rows that are due, whoever comes after the last one first."""
        if isinstance(self.rule.destination, str):
            return [self.rule.destination]
        found = self._listed(connection, look, self._after)
        if self._after and len(found) < DESTINATIONS_AT_ONCE:
            found += [name for name in self._listed(connection, look, "") if name not in found]
        return found

    def _listed(self, connection: Connection, look: Look, after: str) -> list[str]:
        statement = self._list()
        values = parameters(statement, look.request, **{AFTER: after})
        return list(connection.execute(statement, values).scalars())

    def _build_list(self) -> Select[Any]:
        """From one to the next in the order of an index, never through all rows."""
        who, due = self._who, self.plan.due
        after: ColumnElement[str] = bindparam(AFTER, type_=Text())
        first = select(func.min(who).label("name")).where(due, who > after)
        names = first.cte("sexton_destinations", recursive=True)
        following = select(func.min(who)).where(due, who > names.c.name).scalar_subquery()
        names = names.union_all(select(following.label("name")).where(names.c.name.is_not(None)))
        return select(names.c.name).where(names.c.name.is_not(None)).limit(DESTINATIONS_AT_ONCE)

    @property
    def _who(self) -> ColumnElement[str]:
        destination = self.rule.destination
        return literal(destination, Text()) if isinstance(destination, str) else destination

    def _rows(
        self, connection: Connection, look: Look, name: str, most: int, token: str, probing: bool
    ) -> list[ClaimedRow]:
        """Rows of one destination, locked, as many as `most`."""
        statement = self._pick(probing)
        request = Request(most, None, look.request.as_of, look.request.job, look.request.run_id)
        found = connection.execute(statement, parameters(statement, request, **{WHO: name})).all()
        return [self._claimed(row, look.at, token) for row in found]

    def _build_pick(self, probing: bool) -> Select[Any]:
        """probing: the row that has had the fewest attempts goes first, as this one may cost it one."""
        kept, joined = self.store.picked()
        columns = [column.label(column.key) for column in self.plan.table.columns]
        ours = [
            subject_text(self.plan.key).label(SUBJECT),
            self.rule.key.label(KEY),
            self._who.label(DESTINATION),
            *kept,
        ]
        order = (func.coalesce(kept[0], 0), *self.plan.order) if probing else self.plan.order
        asked = select(*columns, *ours).where(self.plan.due).order_by(*order).limit(limit())
        if not isinstance(self.rule.destination, str):
            asked = asked.where(self._who == bindparam(WHO, type_=Text()))
        source = self.plan.table if joined is None else self.plan.table.outerjoin(*joined)
        return asked.select_from(source).with_for_update(of=self.plan.table, skip_locked=True)

    def _claimed(self, row: Row[Any], at: datetime, token: str) -> ClaimedRow:
        known = row._mapping
        return ClaimedRow(
            row=row,
            key=tuple(known[column.key] for column in self.plan.key),
            subject=known[SUBJECT],
            call_key=known[KEY],
            destination=known[DESTINATION],
            attempts=(known[ATTEMPTS] or 0) + 1,
            first_at=known[FIRST] or at,
            token=token,
            uncertain=was_uncertain(known[STATE], known[CODE]),
            spent=is_spent(known[STATE], known[CODE]),
        )
