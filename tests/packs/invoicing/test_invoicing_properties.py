"""Random invoices, drafts and tokens at random times: they go as a plain model says, and twice is once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from sexton.packs.invoicing.credentials import save_tokens
from sexton.packs.invoicing.sealing import sealed_columns, sealer
from sexton.packs.invoicing.shaam import TokenPair
from tests.support.billing import Billing, open_billing
from tests.support.hostile_http import answers
from tests.support.market import at
from tests.support.shaam import Shaam, shaam_server

pytestmark = pytest.mark.slow

START = at("2026-10-24 20:30")
"""Half an hour before midnight in Israel, in the night of the clock change."""

ISRAEL = ZoneInfo("Asia/Jerusalem")
OPEN = ("finalized", "sent", "partially_paid")
TICK = timedelta(microseconds=1)
FEW = settings(max_examples=12, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
FEWER = settings(FEW, max_examples=2)

STATES = st.sampled_from(["draft", *OPEN, "paid", "void", "credited"])
DUE = st.none() | st.integers(-3, 3).map(lambda offset: date(2026, 10, 25) + timedelta(days=offset))
HOURS = st.sampled_from([0, 1, 2, 5, 23, 24, 25, 49])


@dataclass
class Bill:
    """What the model knows about an invoice."""

    number: int
    business: int
    status: str
    due: date | None
    flagged: bool = False
    since: datetime | None = None

    def late(self, day: date) -> bool:
        """Whether it is overdue on that day."""
        return self.status in OPEN and self.due is not None and self.due < day

    def look(self, now: datetime) -> None:
        """What the job does to its flag."""
        late = self.late(now.astimezone(ISRAEL).date())
        if late != self.flagged:
            self.flagged, self.since = late, now if late else None


@dataclass
class Books:
    """All invoices, and when each business was told last."""

    bills: list[Bill]
    told: dict[int, datetime]
    digests: list[tuple[int, str, list[str]]]

    def run(self, now: datetime) -> None:
        """The whole job."""
        day = now.astimezone(ISRAEL).date()
        for bill in self.bills:
            bill.look(now)
        for business in (1, 2, 3):
            late = [bill for bill in self.bills if bill.business == business and bill.flagged]
            told = self.told.get(business)
            today = told is not None and told.astimezone(ISRAEL).date() >= day
            new = [bill for bill in late if told is None or (bill.since is not None and bill.since > told)]
            if new and not today:
                self.told[business] = now
                in_order = sorted(late, key=lambda bill: (bill.due, bill.number))
                self.digests.append((business, f"{day}", [f"N{bill.number}" for bill in in_order]))


def owners(desk: Billing) -> list[dict[str, Any]]:
    """Rows of three businesses."""
    return [{"id": n, "name": f"B{n}", "owner_email": f"b{n}@example.org"} for n in (1, 2, 3)]


def invoice(number: int, business: int, **more: Any) -> dict[str, Any]:
    """A row."""
    row = {"id": number, "business_id": business, "number": f"N{number}", "currency": "ILS", "vat_amount": 0}
    return row | {"total_amount": 100, "paid_amount": 0, "is_overdue": False, "updated_at": START} | more


def check_overdue(desk: Billing, bills: list[Bill], days: list[tuple[int, dict[int, tuple[str, date | None]]]]) -> None:
    """days: hours that pass, and what some invoices are then."""
    rows = [invoice(bill.number, bill.business, status=bill.status, due_date=bill.due) for bill in bills]
    desk.refill({desk.own.businesses: owners(desk), desk.own.invoices: rows})
    books, now = Books(bills, {}, []), START
    for hours, changed in days:
        now += timedelta(hours=hours, microseconds=1)
        for bill in bills:
            if bill.number in changed:
                bill.status, bill.due = changed[bill.number]
                desk.change(desk.own.invoices, bill.number, status=bill.status, due_date=bill.due)
        books.run(now)

        predicted = desk.preview("overdue", at=now)
        assert desk.run("overdue", at=now).steps == predicted.steps
        again = desk.run("overdue", at=now)

        assert (again.total.changed, again.total.told) == (0, 0)
        assert desk.overdue() == [bill.number for bill in bills if bill.flagged]
    assert desk.digests() == books.digests


def check_drafts(desk: Billing, drafts: list[tuple[int, str, timedelta]]) -> None:
    """drafts: business, state, and how long ago it was touched."""
    rows = [
        invoice(number, business, status=status, updated_at=START - age)
        for number, (business, status, age) in enumerate(drafts, start=1)
    ]
    desk.refill({desk.own.businesses: owners(desk), desk.own.invoices: rows})
    gone = [
        (number, business)
        for number, (business, status, age) in enumerate(drafts, start=1)
        if status == "draft" and age > timedelta(days=30)
    ]

    predicted = desk.preview("drafts", at=START)
    run = desk.run("drafts", at=START)

    assert run.steps == predicted.steps
    assert desk.ids(desk.own.invoices) == sorted(set(range(1, len(drafts) + 1)) - {number for number, _ in gone})
    counted = {name.rpartition(" ")[2]: number for name, number in run.steps["by_business"].also.items()}
    assert counted == {f"{n}": sum(b == n for _, b in gone) for n in (1, 2, 3) if any(b == n for _, b in gone)}
    assert desk.run("drafts", at=START).total.changed == 0


DEED = st.sampled_from(["renews", "renews", "fails", "lost", "sibling", "revoked", "authorised"])


def check_tokens(desk: Billing, shaam: Shaam, looks: list[dict[int, str]]) -> None:
    """looks: what happens to each business at a look. Whatever it is: what is stored is good, or the owner was told."""
    desk.refill({desk.own.businesses: owners(desk)})
    for known in (shaam.refresh, shaam.plan, shaam.lost, shaam.asked):
        known.clear()
    now, lost, told = START, set[int](), 0
    for business in (1, 2, 3):
        desk.tokens(business, expires=now + timedelta(minutes=5), refresh=f"refresh-{business}-first")
        shaam.refresh[f"refresh-{business}-first"] = business
    for number, deeds in enumerate(looks):
        for business, deed in deeds.items():
            happen(desk, shaam, business, deed, number, lost)
        before = dict(desk.credentials("status"))
        desk.run("tokens", at=now)
        after = desk.credentials("status")
        lost |= {int(token.split("-")[1]) for token in shaam.lost if token not in shaam.refresh}
        told += sum(after[n] == "needs_reauth" != before[n] for n in (1, 2, 3))
        for business in (1, 2, 3):
            stored = desk.refresh_token(business)
            assert shaam.refresh.get(stored) == business or after[business] == "needs_reauth" or business in lost
        shaam.plan.clear()
        shaam.lost.clear()
        now += timedelta(minutes=61)
    assert len(desk.sent("shaam_needs_authorisation")) == told


def happen(desk: Billing, shaam: Shaam, business: int, deed: str, number: int, lost: set[int]) -> None:
    """Before a look: what the service will do, or what somebody else has done."""
    stored, new = desk.refresh_token(business), f"refresh-{business}-by-{deed}-{number}"
    if deed == "fails":
        shaam.plan[stored] = [answers(500)]
    elif deed == "lost":
        shaam.lost.add(stored)
    elif deed == "revoked":
        shaam.refresh.pop(stored, None)
        lost.add(business)
    elif deed == "authorised":
        with desk.engine.begin() as connection:
            save_tokens(connection, desk.options, business, TokenPair("access", new, 60))
        shaam.refresh[new] = business
        lost.discard(business)
    elif deed == "sibling" and stored in shaam.refresh:
        seal = sealer(desk.options)
        assert seal is not None
        del shaam.refresh[stored]
        shaam.refresh[new] = business
        with desk.engine.begin() as connection:
            ours = desk.own.credentials.update().where(desk.own.credentials.c.business_id == business)
            connection.execute(ours.values(**sealed_columns(seal, "access", new)))


@st.composite
def bills(draw: st.DrawFn) -> list[Bill]:
    """Up to seven invoices of three businesses."""
    count = draw(st.integers(0, 7))
    return [Bill(number, draw(st.integers(1, 3)), draw(STATES), draw(DUE)) for number in range(1, count + 1)]


AGES = st.sampled_from([-1, 0, 1, 10**6, 10**9]).map(lambda ticks: timedelta(days=30) + ticks * TICK)
DRAFTS = st.lists(st.tuples(st.integers(1, 3), st.sampled_from(["draft", "draft", "sent"]), AGES), max_size=9)
CHANGED = st.dictionaries(st.integers(1, 7), st.tuples(STATES, DUE), max_size=3)


def every(desk: Billing, shaam: Shaam, how: settings) -> None:
    """All three comparisons, on one database."""

    @how
    @given(bills(), st.lists(st.tuples(HOURS, CHANGED), min_size=1, max_size=6))
    def compare_overdue(made: list[Bill], days: list[tuple[int, dict[int, tuple[str, date | None]]]]) -> None:
        check_overdue(desk, made, days)

    @how
    @given(DRAFTS)
    def compare_drafts(drafts: list[tuple[int, str, timedelta]]) -> None:
        check_drafts(desk, drafts)

    @how
    @given(st.lists(st.dictionaries(st.integers(1, 3), DEED), max_size=6))
    def compare_tokens(looks: list[dict[int, str]]) -> None:
        check_tokens(desk, shaam, looks)

    compare_overdue()
    compare_drafts()
    compare_tokens()


@pytest.mark.databases("sqlite")
def test_invoices_drafts_and_tokens_go_as_the_model_says(engine: Engine) -> None:
    """T2.2, T2.4, T2.5, T2.7, T3.2, T3.4, T3.6, T5.3 to T5.6"""
    with shaam_server() as shaam:
        every(open_billing(engine, shaam_timeout="60s", **shaam.options), shaam, FEW)


@pytest.mark.databases("postgres")
def test_invoices_drafts_and_tokens_go_as_the_model_says_on_postgresql_too(engine: Engine) -> None:
    """T2.2, T2.4, T2.5, T2.7, T3.2, T3.4, T3.6, T5.3 to T5.6"""
    with shaam_server() as shaam:
        every(open_billing(engine, shaam_timeout="60s", **shaam.options), shaam, FEWER)
