"""Recording: users win, one bad row never spoils the others, a late answer counts while nobody has the row."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, delete, insert, text, update

from sexton import Again, Attempt, CallColumns, Done, Failed, Message, Unknown, text_key
from sexton.db.tables import own_tables
from sexton.policies.call_rule import RecordedCall
from tests.support.database_checks import let_leases_end
from tests.support.payments import DAY, HOUR, PAID, Payments, Script, make_payments
from tests.support.sessions import NOON

KEY_SECRET = "sk_live_51H8xw0Secret"


def effects(engine: Engine) -> list[str]:
    """Keys on record, sorted."""
    table = own_tables(engine.dialect.name).effects
    with engine.connect() as connection:
        return sorted(row.key for row in connection.execute(table.select()))


def meanwhile(deed: Callable[[], object], outcome: Any) -> Callable[[Attempt], Any]:
    """An answer that comes after something has happened."""

    def answer(_: Attempt) -> Any:
        deed()
        return outcome

    return answer


def test_a_row_that_moved_is_left_alone(shop: Payments) -> None:
    shop.add(2)
    moved = meanwhile(lambda: shop.set(1, status="cancelled"), Done(PAID))

    run = shop.run(Script({1: [moved]}))

    assert shop.statuses() == {1: "cancelled", 2: "paid"}
    assert run.total.also == {"done": 1, "moved": 1}
    assert shop.claimed() == 0


def test_if_moved_is_told_what_came_of_the_call(shop: Payments) -> None:
    """Captured after the order was cancelled: a refund is noted; `then` is not called."""
    shop.add(1)

    def refund(connection: Connection) -> None:
        connection.execute(update(shop.table).values(why_not="refund"))

    outcome = Done(PAID, then=lambda _: pytest.fail("it had moved"), if_moved=refund)
    shop.run(Script({1: [meanwhile(lambda: shop.set(1, status="cancelled"), outcome)]}))

    assert (shop.row(1).status, shop.row(1).why_not) == ("cancelled", "refund")


def test_a_column_that_must_be_unchanged_and_is_not_makes_a_row_that_moved(shop: Payments) -> None:
    shop.add(1)
    gateway = Script({1: [meanwhile(lambda: shop.set(1, amount=250), Done(PAID)), Done(PAID)]})

    run = shop.run(gateway, unchanged=[shop.table.c.amount])

    assert run.total.also == {"moved": 1, "done": 1}  # it is still due, and is called for with the new amount
    assert (shop.row(1).status, shop.row(1).amount) == ("paid", 250)


def test_a_row_that_was_deleted_has_moved(shop: Payments) -> None:
    shop.add(2)
    noted: list[int] = []

    def remove() -> None:
        with shop.engine.begin() as connection:
            connection.execute(delete(shop.table).where(shop.table.c.id == 1))

    outcome = Done(PAID, if_moved=lambda _: noted.append(1))
    run = shop.run(Script({1: [meanwhile(remove, outcome)]}))

    assert run.total.also == {"done": 1, "moved": 1}
    assert noted == [1]
    assert shop.rows_of_calls() == {}


def test_if_moved_that_raises_is_loud_and_holds_nobody(shop: Payments) -> None:
    shop.add(3)

    def refuse(_: Connection) -> None:
        raise RuntimeError(KEY_SECRET)

    outcome = Done(PAID, if_moved=refuse)
    run = shop.run(Script({2: [meanwhile(lambda: shop.set(2, status="cancelled"), outcome)]}))

    assert run.state == "partial"
    assert "1 answer could not be recorded" in (run.note or "")
    assert shop.statuses() == {1: "paid", 2: "cancelled", 3: "paid"}
    assert shop.claimed() == 0
    assert KEY_SECRET not in str(shop.rows_of_calls())


def test_then_commits_with_the_record(shop: Payments) -> None:
    shop.add(1)

    def confirm(connection: Connection) -> None:
        connection.execute(update(shop.table).values(amount=7))

    shop.run(Script(otherwise=Done(PAID, then=confirm)))

    assert (shop.row(1).status, shop.row(1).amount) == ("paid", 7)


def test_then_that_raises_makes_an_attempt_of_it_and_undoes_what_it_did(shop: Payments) -> None:
    shop.add(3)

    def refuse(connection: Connection) -> None:
        connection.execute(update(shop.table).where(shop.table.c.id == 2).values(amount=0))
        raise RuntimeError(KEY_SECRET)

    run = shop.run(Script({2: [Done(PAID, then=refuse)]}))

    assert shop.statuses() == {1: "paid", 2: "pending", 3: "paid"}
    assert (shop.row(2).amount, shop.of(2).state, shop.of(2).attempts) == (100, "waiting", 1)
    assert shop.of(2).error == "could not be recorded: RuntimeError"
    assert run.state == "succeeded"


REFUSED: dict[str, Any] = {
    "NULL where none may be": {"status": None},
    "no such column": {"no_such_column": 1},
    "a value that is no text": {"status": object()},
    "an instant without a zone": {"next_check_at": NOON.replace(tzinfo=None)},
}


@pytest.mark.parametrize("values", REFUSED.values(), ids=REFUSED)
def test_values_that_are_refused_spoil_nobody_elses_record(shop: Payments, values: Any) -> None:
    shop.add(4)

    shop.run(Script({3: [Done(values)]}), concurrency=4, retry=["1h"])

    assert shop.statuses() == {1: "paid", 2: "paid", 3: "pending", 4: "paid"}
    assert (shop.of(3).state, shop.of(3).attempts) == ("waiting", 1)
    assert (shop.of(3).error or "").startswith("could not be recorded: ")
    assert shop.claimed() == 0


def test_a_charge_that_is_done_and_cannot_be_recorded_is_never_made_again(shop: Payments) -> None:
    shop.add(1)
    gateway = Script(otherwise=Done({"status": None}))

    for days in range(3):
        shop.run(gateway, at=NOON + days * DAY, on_unknown="stop", retry=["1h"])

    assert len(gateway.made) == 1
    assert shop.of(1).state == "unknown"


@pytest.mark.parametrize("answer", [None, "done", Done, 7], ids=str)
def test_what_is_no_outcome_is_an_error_of_the_call(shop: Payments, answer: Any) -> None:
    shop.add(2)

    run = shop.run(Script({1: [lambda _: answer]}), retry=["1h"])

    assert shop.statuses() == {1: "pending", 2: "paid"}
    assert (shop.of(1).state, shop.of(1).error) == ("waiting", "raised TypeError")
    assert "a call raised TypeError" in (run.note or "")


@pytest.mark.parametrize("make", [Again, Failed, Unknown], ids=lambda kind: kind.__name__)
def test_a_reason_that_is_no_text_is_an_error_of_the_call(shop: Payments, make: Any) -> None:
    shop.add(1)

    shop.run(Script({1: [lambda _: make(RuntimeError(KEY_SECRET))]}), retry=["1h"])

    assert shop.of(1).error == "raised TypeError"


def test_g5_of_an_exception_only_its_kind_is_kept(shop: Payments, capfd: pytest.CaptureFixture[str]) -> None:
    """Its text may hold the request with all its secrets; so may that of its cause, its notes and its values."""
    shop.add(1)

    def careless(call: Attempt) -> Done:
        headers = {"Authorization": KEY_SECRET}
        try:
            raise ConnectionError(f"GET https://api.example {headers}")
        except ConnectionError as cause:
            error = RuntimeError(f"for {call.key}: {headers}")
            error.add_note(KEY_SECRET)
            raise ExceptionGroup(KEY_SECRET, [error]) from cause

    run = shop.run(careless, retry=["1h"])

    assert shop.of(1).error == "raised ExceptionGroup"
    assert "a call raised ExceptionGroup" in (run.note or "")
    everything = "".join(dump(shop.engine)) + str(run.note) + str(run.error) + "".join(capfd.readouterr())
    assert "RuntimeError" in everything
    assert KEY_SECRET not in everything


def dump(engine: Engine) -> list[str]:
    """All that Sexton keeps."""
    tables = own_tables(engine.dialect.name)
    with engine.connect() as connection:
        return [
            str(row) for table in tables.runs.metadata.sorted_tables for row in connection.execute(table.select()).all()
        ]


@pytest.mark.parametrize("kept", ["some", "whole"])
def test_a_persons_update_of_attempts_and_next_at_wins(engine: Engine, kept: str) -> None:
    shop = make_payments(engine, kept)
    shop.add(1)
    soon = NOON + 2 * HOUR
    gateway = Script({1: [meanwhile(lambda: shop.set(1, checks=0, next_check_at=soon), Again("not yet")), Done(PAID)]})

    shop.run(gateway, retry=["1d", "1d"])
    now = shop.of(1)
    shop.run(gateway, at=NOON + 3 * HOUR, retry=["1d", "1d"])

    assert (now.state, now.attempts, now.next_at, now.claim) == ("waiting", 0, soon, None)
    assert [one[2] for one in gateway.made] == [1, 1]


def test_a_persons_word_about_the_status_wins(engine: Engine) -> None:
    """Dropped while it was called for: whoever keeps the state in the row says what the row is."""
    shop = make_payments(engine, "whole")
    shop.add(1)

    run = shop.run(Script({1: [meanwhile(lambda: shop.set(1, call_status="dropped"), Done(PAID))]}))

    assert (shop.statuses(), shop.of(1).state, shop.claimed()) == ({1: "pending"}, "dropped", 0)
    assert run.total.also == {"moved": 1}


def test_a_status_beside_ours_is_no_claim_that_stays(engine: Engine) -> None:
    shop = make_payments(engine)
    shop.add(2)
    gateway = Script({1: [meanwhile(lambda: shop.set(1, status="cancelled"), Done(PAID))]})

    shop.run(gateway, state=CallColumns(status=shop.table.c.call_status))

    assert [shop.row(one).call_status for one in (1, 2)] == ["waiting", "done"]


def test_a_late_answer_counts_as_long_as_nobody_has_taken_the_row(shop: Payments) -> None:
    shop.add(2)

    run = shop.run(Script({1: [meanwhile(shop.let_claims_end, Done(PAID))]}), concurrency=1)

    assert set(shop.statuses().values()) == {"paid"}
    assert run.total.also == {"done": 2}


def test_a_late_answer_is_dropped_once_somebody_else_has_the_row(shop: Payments) -> None:
    shop.add(1)
    other = Script(otherwise=Failed("the other one"))

    def taken() -> None:
        shop.let_claims_end()
        let_leases_end(shop.engine)
        shop.run(other)

    gateway = Script({1: [meanwhile(taken, Done(PAID))]})
    run = shop.run(gateway)

    assert run.total.also == {"late": 1}
    assert run.total.changed == 0
    assert shop.statuses() == {1: "pending"}
    assert (shop.of(1).state, shop.of(1).attempts) == ("failed", 2)
    assert other.uncertain == [1]


def test_a_message_is_told_about_what_failed_and_what_was_given_up(shop: Payments) -> None:
    shop.add(3)
    columns = shop.table.c
    tell = Message("payment_stuck", key=text_key("stuck", columns.id), payload={"amount": columns.amount})

    run = shop.run(Script({1: [Failed("never")], 2: [Again("not yet")]}), retry=[], tell=tell)

    assert effects(shop.engine) == ["stuck:1", "stuck:2"]
    assert run.total.told == 2


def test_what_follows_a_record_is_in_its_transaction(shop: Payments) -> None:
    shop.add(2)
    events = own_tables(shop.engine.dialect.name).outbox_events
    seen: list[tuple[int, str, int, bool]] = []

    def after(connection: Connection, recorded: Any) -> None:
        for one in recorded:
            assert isinstance(one, RecordedCall)
            seen.append((one.row.id, one.state.value, one.attempts, one.closed))
            connection.execute(
                insert(events).values(key=one.key, event_type="seen", payload={}, created_at=NOON, attempt_count=0)
            )

    shop.run(Script({2: [Again("not yet")]}), retry=["1h"], after_record=after)

    assert sorted(seen) == [(1, "done", 1, True), (2, "waiting", 1, False)]
    with shop.engine.connect() as connection:
        assert len(connection.execute(events.select()).all()) == 2


@pytest.mark.databases("postgres")
def test_a_row_that_somebody_holds_keeps_nobody_waiting_and_is_recorded_once_it_is_free(shop: Payments) -> None:
    """The lock goes when the last of the others is done: if they waited for it, this would never end."""
    shop.add(30)
    locked, free = threading.Event(), threading.Event()

    def hold() -> None:
        with shop.engine.begin() as connection:
            connection.execute(text("SELECT 1 FROM payments WHERE id = 3 FOR UPDATE"))
            locked.set()
            free.wait()

    holder = threading.Thread(target=hold)

    def lock(_: Attempt) -> Done:
        holder.start()
        locked.wait()
        return Done(PAID)

    def last(_: Attempt) -> Done:
        return Done(PAID, then=lambda _: free.set())

    run = shop.run(Script({3: [lock], 30: [last]}), concurrency=2)
    holder.join()

    assert set(shop.statuses().values()) == {"paid"}
    assert run.total.also == {"done": 30}
    assert shop.claimed() == 0
