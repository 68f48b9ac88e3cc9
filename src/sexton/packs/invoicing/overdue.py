"""Overdue invoices: flagged, unflagged when they are not any more, and told once a day (T2.1 to T2.7).

1. `set`     still to be paid, and due before today in the product's zone: `is_overdue`.
2. `reset`   flagged, and not so any more: paid, void, credited, or with another due date.
3. `digest`  one message a business about all its overdue invoices, see `digest.py`.

A due date is a date, and today is the date in `timezone`: what is due today is not overdue.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, and_, func, not_, null, or_, update

from sexton import Counts, Plan, Policy, Run, Transition, now, today

from .digest import digest_of
from .options import InvoicingOptions
from .tables import InvoicingTables, invoicing_tables, to_be_paid


def steps(options: InvoicingOptions) -> list[Policy | Callable[[Run], Counts]]:
    """The work of `invoicing.flag_overdue`."""
    own = invoicing_tables(options)
    return [_set(own, options), _reset(own, options), digest_of(own, options)]


def is_late(invoices: Any, options: InvoicingOptions, day: object = None) -> ColumnElement[bool]:
    """Whether an invoice is overdue, whatever its flag says. day: today; None: the date of the run, in a policy."""
    date = today(options.timezone) if day is None else day
    return and_(to_be_paid(invoices, options), invoices.due_date < date)


def clear_flag(connection: Connection, options: InvoicingOptions, invoice_id: object) -> bool:
    """For the code that records a payment, in its transaction: take the flag off an invoice that is to be paid no more.

    Whether there was one to take. The job would do it the next morning.
    """
    invoices = invoicing_tables(options).invoices
    over = and_(invoices.c.id == invoice_id, invoices.c.is_overdue.is_(True), not_(to_be_paid(invoices.c, options)))
    values = {"is_overdue": False, "overdue_since": None}
    return connection.execute(update(invoices).where(over).values(values)).rowcount > 0


@dataclass(frozen=True, slots=True)
class _Along:
    """A policy whose rows are picked along an index, in the order of these columns."""

    policy: Transition
    order: tuple[Column[Any], ...]

    def plan(self) -> Plan:
        """The same plan in that order."""
        return replace(self.policy.plan(), order=self.order)


def _set(own: InvoicingTables, options: InvoicingOptions) -> Policy:
    invoices = own.invoices.c
    change = {"is_overdue": True, "overdue_since": now(), "updated_at": now()}
    unflagged = and_(is_late(invoices, options), invoices.is_overdue.is_not(True))
    return _Along(Transition(own.invoices, change, only=unflagged, name="set"), (invoices.due_date, invoices.id))


def _reset(own: InvoicingTables, options: InvoicingOptions) -> Policy:
    invoices = own.invoices.c
    change = {"is_overdue": False, "overdue_since": null(), "updated_at": now()}
    date = func.coalesce(invoices.due_date >= today(options.timezone), True)
    over = and_(invoices.is_overdue.is_(True), or_(not_(to_be_paid(invoices, options)), date))
    return _Along(Transition(own.invoices, change, only=over, name="reset"), (invoices.business_id, invoices.id))
