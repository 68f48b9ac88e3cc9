"""Which invoices are overdue, and for whom a digest is written, once a day (T2.1 to T2.7)."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from sqlalchemy import Engine, event, text

from sexton.packs.invoicing.overdue import clear_flag, steps
from tests.support.billing import Billing, days, open_billing
from tests.support.market import at, later

SIX = "2026-06-15 03:00"
"""06:00 in Israel."""

YESTERDAY, TODAY = days(-1), days(0)


def test_t2_2_what_is_to_be_paid_and_past_its_day_is_flagged(desk: Billing) -> None:
    """T2.2, T2.3, T6.2: over mixed states and dates; what is due today is not overdue."""
    for number, status in enumerate(["finalized", "sent", "partially_paid"], start=1):
        desk.invoice(number, status=status, due=YESTERDAY)
        desk.invoice(number + 10, status=status, due=TODAY)
        desk.invoice(number + 20, status=status, due=None)
    for number, status in enumerate(["draft", "paid", "void", "credited", "cancelled"], start=30):
        desk.invoice(number, status=status, due=YESTERDAY)

    run = desk.run("overdue", at=SIX)

    assert (run.state, desk.overdue()) == ("succeeded", [1, 2, 3])
    assert run.steps["set"].changed == 3


@pytest.mark.usefixtures("unhurried")
def test_t2_3_a_thousand_invoices_take_a_few_statements_and_not_one_each(desk: Billing) -> None:
    """T2.3"""
    desk.refill({desk.own.businesses: [{"id": 1, "name": "B"}], desk.own.invoices: [row(n) for n in range(1, 1001)]})
    statements: list[str] = []
    event.listen(desk.engine, "before_cursor_execute", lambda *said: statements.append(said[2]))

    run = desk.run("overdue", at=SIX)

    assert (run.steps["set"].changed, len(desk.overdue())) == (1000, 1000)
    assert len([one for one in statements if "UPDATE invoices" in one]) < 20


def row(number: int) -> dict[str, Any]:
    """An invoice."""
    made = {"id": number, "business_id": 1, "number": f"N{number}", "status": "sent", "due_date": date(2026, 6, 1)}
    made |= {"currency": "ILS", "vat_amount": 0, "total_amount": 1, "paid_amount": 0, "is_overdue": False}
    return {**made, "updated_at": at(SIX)}


@pytest.mark.parametrize(
    ("now", "flagged"),
    [
        ("2026-06-14 20:59:59.999999", []),
        ("2026-06-14 21:00", [1]),  # midnight in Israel
        ("2026-06-14 21:30", [1]),  # 00:30 there, and still yesterday in UTC
    ],
)
def test_t2_2_the_date_is_that_of_israel_at_half_past_midnight_too(desk: Billing, now: str, flagged: list[int]) -> None:
    """T2.2: CURRENT_DATE would be the session's date, yesterday."""
    desk.invoice(1, due="2026-06-14")

    desk.run("overdue", at=now)

    assert desk.overdue() == flagged


def test_t2_4_what_is_overdue_no_more_loses_its_flag(desk: Billing) -> None:
    """T2.4: paid, and also void, credited, another due date, or none."""
    for number, status in enumerate(["paid", "void", "credited", "sent"], start=1):
        desk.invoice(number, status=status, due=days(-9), flagged=True, since="2026-06-07")
    desk.invoice(5, due=days(3), flagged=True, since="2026-06-07")
    desk.invoice(6, due=None, flagged=True, since="2026-06-07")

    run = desk.run("overdue", at=SIX)

    assert (desk.overdue(), run.steps["reset"].changed) == ([4], 5)
    since = desk.column(desk.own.invoices, "overdue_since")
    assert [number for number, at in since.items() if at is not None] == [4]


def test_t2_5_each_owner_hears_of_his_own_invoices(desk: Billing) -> None:
    """T2.5, T2.6: number, customer, what is still to pay, days overdue; grouped by business."""
    desk.customer(7, business=1, name="דנה לוי")
    desk.invoice(1, business=1, customer=7, due=days(-10), total=11_800, paid=1_800)
    desk.invoice(2, business=1, due=YESTERDAY, total=500, currency="USD")
    desk.invoice(3, business=2, due=YESTERDAY)
    desk.business(3)
    desk.invoice(4, business=3, due=TODAY)

    run = desk.run("overdue", at=SIX)

    assert desk.digests() == [(1, TODAY, ["N1", "N2"]), (2, TODAY, ["N3"])]
    first = desk.sent("overdue_digest")[0]
    assert first.recipient == "owner1@example.org"
    assert first.payload["totals"] == [{"currency": "ILS", "amount": 10_000}, {"currency": "USD", "amount": 500}]
    assert first.payload["invoices"][0] == {
        "invoice_id": 1,
        "number": "N1",
        "customer": "דנה לוי",
        "amount": 10_000,
        "currency": "ILS",
        "due_date": days(-10),
        "days_overdue": 10,
        "new": True,
    }
    assert (run.steps["digest"].told, run.state) == (2, "succeeded")


def test_t2_7_twice_in_a_day_is_once(desk: Billing) -> None:
    """T2.7: however often it runs, one digest a business and local date, also when an invoice becomes overdue since."""
    desk.invoice(1, due=YESTERDAY)
    desk.run("overdue", at=SIX)
    flags = desk.overdue()

    for hour in range(0, 20, 3):
        desk.run("overdue", at=later(SIX, hours=hour))
    desk.invoice(2, due=YESTERDAY)
    desk.run("overdue", at=later(SIX, hours=15))

    assert (flags, desk.overdue()) == ([1], [1, 2])
    assert desk.digests() == [(1, TODAY, ["N1"])]
    assert desk.effects() == [f"overdue_digest:1:{TODAY}"]
    desk.run("overdue", at=later(SIX, days=1))
    assert desk.digests()[1:] == [(1, days(1), ["N1", "N2"])]
    assert [one["new"] for one in desk.sent()[1].payload["invoices"]] == [False, True]


def test_t2_7_the_fact_on_record_alone_keeps_a_second_digest_away(desk: Billing) -> None:
    """T2.7: even if the column of the business was lost."""
    desk.invoice(1, due=YESTERDAY)
    desk.run("overdue", at=SIX)
    desk.change(desk.own.businesses, 1, overdue_digest_at=None)

    run = desk.run("overdue", at=later(SIX, minutes=1))

    assert (len(desk.digests()), run.steps["digest"].told_before) == (1, 1)


def test_t2_5_without_a_change_there_is_no_digest(desk: Billing) -> None:
    """T2.5: `digest = "on_change"`."""
    desk.invoice(1, due=YESTERDAY)

    for day in range(5):
        desk.run("overdue", at=later(SIX, days=day))
    desk.invoice(2, due=days(3))
    desk.run("overdue", at=later(SIX, days=5))

    assert desk.digests() == [(1, TODAY, ["N1"]), (1, days(5), ["N1", "N2"])]


def test_t2_5_daily_digests_come_each_day_while_something_is_overdue(engine: Engine) -> None:
    """T2.5: `digest = "daily"`, once a day still."""
    desk = open_billing(engine, digest="daily")
    desk.invoice(1, due=YESTERDAY)

    for hour in range(0, 72, 12):
        desk.run("overdue", at=later(SIX, hours=hour))
    desk.change(desk.own.invoices, 1, status="paid")
    desk.run("overdue", at=later(SIX, days=3))

    assert [day for _, day, _ in desk.digests()] == [TODAY, days(1), days(2)]


def test_t2_5_a_missed_day_is_made_up(desk: Billing) -> None:
    """T2.5: level, not edge: what became overdue while nothing ran is told, late."""
    desk.invoice(1, due=days(-40))

    desk.run("overdue", at=SIX)

    assert desk.digests() == [(1, TODAY, ["N1"])]


def test_t2_5_an_owner_without_an_address_is_logged_and_told_when_there_is_one(
    desk: Billing, caplog: pytest.LogCaptureFixture
) -> None:
    """T2.5"""
    desk.business(1, email=None)
    desk.invoice(1, business=1, due=YESTERDAY)
    with caplog.at_level(logging.WARNING, "sexton.invoicing"):
        run = desk.run("overdue", at=SIX)
    assert "business 1 has 1 overdue invoices, and no address to tell" in caplog.text
    assert (run.state, run.steps["digest"].also, desk.sent()) == ("succeeded", {"without an address": 1}, [])

    desk.change(desk.own.businesses, 1, owner_email="late@example.org")
    desk.run("overdue", at=later(SIX, hours=1))
    assert [one.recipient for one in desk.sent()] == ["late@example.org"]


def test_t2_5_an_invoice_that_is_paid_between_flag_and_digest_is_not_in_it(desk: Billing) -> None:
    """T2.5: the digest asks again; the payment does not take the flag off here, as the pack's function would."""
    desk.invoice(1, due=YESTERDAY)
    desk.invoice(2, due=YESTERDAY)
    desk.invoice(3, business=2, due=YESTERDAY)
    flag, reset, digest = steps(desk.options)
    desk.run("overdue", at=later(SIX, days=-300))

    def pay(run: Any) -> None:
        for number in (1, 3):
            desk.change(desk.own.invoices, number, status="paid")

    desk.jobs["overdue"] = replace(desk.job("overdue"), work=[flag, reset, pay, digest])
    desk.run("overdue", at=SIX)

    assert desk.overdue() == [1, 2, 3]
    assert desk.digests() == [(1, TODAY, ["N2"])]


def test_t2_4_who_records_a_payment_takes_the_flag_off_at_once(desk: Billing) -> None:
    """T2.4"""
    desk.invoice(1, status="paid", due=YESTERDAY, flagged=True, since=SIX)
    desk.invoice(2, status="partially_paid", due=YESTERDAY, flagged=True, since=SIX)

    with desk.engine.begin() as connection:
        taken = [clear_flag(connection, desk.options, number) for number in (1, 2, 1)]

    assert (taken, desk.overdue()) == ([True, False, False], [2])


FAILS = {
    "postgresql": """
        CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN IF NEW.id = 2 THEN RAISE EXCEPTION 'no'; END IF; RETURN NEW; END $$;
        CREATE TRIGGER refuse BEFORE UPDATE ON businesses FOR EACH ROW EXECUTE FUNCTION refuse()""",
    "sqlite": """
        CREATE TRIGGER refuse BEFORE UPDATE ON businesses WHEN NEW.id = 2
        BEGIN SELECT RAISE(ABORT, 'no'); END""",
}


def test_pf_one_business_that_fails_stops_no_other(desk: Billing, caplog: pytest.LogCaptureFixture) -> None:
    """T2.5, T1.6: it is logged and counted, and told the next time."""
    for number in (1, 2, 3):
        desk.invoice(number, business=number, due=YESTERDAY)
    with desk.engine.begin() as connection:
        connection.execute(text(FAILS[desk.engine.dialect.name]))

    run = desk.run("overdue", at=SIX)

    assert (run.state, run.steps["digest"].poison) == ("partial", 1)
    assert [business for business, _, _ in desk.digests()] == [1, 3]
    assert "business 2 could not be told" in caplog.text
    with desk.engine.begin() as connection:
        on = " ON businesses" if desk.engine.dialect.name == "postgresql" else ""
        connection.execute(text(f"DROP TRIGGER refuse{on}"))
    desk.run("overdue", at=later(SIX, hours=1))
    assert [business for business, _, _ in desk.digests()] == [1, 3, 2]


def test_a_dry_run_foresees_flags_and_digests_and_changes_nothing(desk: Billing) -> None:
    """T2.7"""
    desk.business(9, email=None)
    desk.invoice(1, due=YESTERDAY)
    desk.invoice(2, business=9, due=YESTERDAY)
    desk.invoice(3, business=2, status="paid", due=YESTERDAY, flagged=True, since="2026-06-01")
    before = desk.dump()

    predicted = desk.preview("overdue", at=SIX)

    assert desk.dump() == before
    assert desk.run("overdue", at=SIX).steps == predicted.steps


def test_two_hundred_invoices_are_named_and_the_others_counted(desk: Billing) -> None:
    """T2.6: a message has an end."""
    desk.refill(
        {
            desk.own.businesses: [{"id": 1, "name": "B", "owner_email": "b@example.org"}],
            desk.own.invoices: [row(n) for n in range(1, 251)],
        }
    )

    desk.run("overdue", at=SIX)

    (message,) = desk.sent()
    assert (message.payload["count"], len(message.payload["invoices"])) == (250, 200)
    assert message.payload["totals"] == [{"currency": "ILS", "amount": 250}]


def test_a_hundred_and_twenty_businesses_are_told_in_portions(desk: Billing) -> None:
    """T2.5: none twice, none left out."""
    owners = [{"id": n, "name": "B", "owner_email": f"b{n}@example.org"} for n in range(1, 121)]
    invoices = [{**row(n), "business_id": n} for n in range(1, 121)]
    desk.refill({desk.own.businesses: owners, desk.own.invoices: invoices})

    run = desk.run("overdue", at=SIX)

    assert [business for business, _, _ in desk.digests()] == list(range(1, 121))
    assert run.steps["digest"].told == 120
