"""`sexton pause`, `resume`, `reschedule`, `trigger`: what people change while everything runs."""

from __future__ import annotations

import pytest

from .shell import Inside


def test_pause_and_resume(demo: Inside) -> None:
    done = demo.sexton("pause", "marketplace.expire_orders", "--until", "2099-01-01T06:00Z", "--reason", "moving")
    assert done.out == "marketplace.expire_orders rests until 2099-01-01 06:00 UTC; a run under way goes on\n"

    again = demo.sexton("resume", "marketplace.expire_orders")
    assert again.out.startswith("marketplace.expire_orders is awake; due 20")
    assert demo.sexton("resume", "marketplace.expire_orders").code == 2


def test_a_new_schedule_shows_the_next_five_slots_and_a_wrong_one_is_refused(demo: Inside) -> None:
    done = demo.sexton("reschedule", "marketplace.expire_orders", "0 0 1 1 *", "--timezone", "Asia/Jerusalem")
    assert done.out.count("-12-31 22:00:00") == 5

    wrong = demo.sexton("reschedule", "marketplace.expire_orders", "61 * * * *")
    assert wrong.code == 2
    assert "minute" in wrong.err
    back = demo.sexton("reschedule", "marketplace.expire_orders", "--reset")
    assert back.out.count("-12-31") < 5


@pytest.mark.parametrize(
    "words", [("reschedule", "marketplace.expire_orders"), ("pause", "marketplace.expire_orderz", "--reason", "x")]
)
def test_bad_input_changes_nothing(words: tuple[str, ...], demo: Inside) -> None:
    done = demo.sexton(*words)

    assert done.code == 2
    assert len(done.err.splitlines()) == 1


def test_a_trigger_waits_once_and_the_next_run_due_takes_it(demo: Inside) -> None:
    first = demo.sexton("trigger", "marketplace.purge_outbox")
    second = demo.sexton("trigger", "marketplace.purge_outbox")
    assert "waits" in first.out
    assert "was waiting already" in second.out

    demo.sexton("run", "--due", "marketplace.purge_outbox")
    number = first.out.split("run ")[1].split()[0]
    assert "succeeded" in demo.sexton("show", number).out


def test_jobs_live_shows_who_changed_what_and_why(demo: Inside) -> None:
    demo.sexton("pause", "marketplace.expire_orders", "--until", "2099-01-01T06:00Z", "--reason", "moving")
    demo.sexton("reschedule", "marketplace.purge_outbox", "every 3h", "--reason", "sale")

    shown = demo.sexton("jobs", "--live").out

    lines = {line.split()[0]: line for line in shown.splitlines()}
    assert "Fri 02 Jan" in lines["marketplace.expire_orders"]
    assert "every 3h" in lines["marketplace.purge_outbox"]
    assert "marketplace.expire_orders: paused until 2099-01-01 06:00 UTC, “moving”, by " in shown
    assert "marketplace.purge_outbox: rescheduled, “sale”, by " in shown
    assert "every 3h" not in demo.sexton("jobs").out


def test_a_waiting_run_is_shown_as_one(demo: Inside) -> None:
    number = demo.sexton("trigger", "marketplace.purge_outbox").out.split("run ")[1].split()[0]

    shown = demo.sexton("show", number).out

    assert "waits for a worker or a `sexton run --due`" in shown
    assert "asked" in shown
    assert "STEP" not in shown


def test_a_pause_past_all_reckoning_is_refused(demo: Inside) -> None:
    done = demo.sexton("pause", "marketplace.expire_orders", "--until", "9999-12-31", "--reason", "x")

    assert done.code == 2
    assert len(done.err.strip().splitlines()[-1:]) == 1
    assert "1900 to 2400" in done.err


def test_a_worker_of_no_runs_is_refused(demo: Inside) -> None:
    for number in ("0", "-1", "65"):
        done = demo.sexton("worker", f"--concurrency={number}")
        assert (done.code, done.line) == (2, f"sexton: --concurrency {number}: must be 1 to 64")


@pytest.mark.parametrize("number", ["99999999999999999999", "9" * 5000, "٣", "²", "-1", "1e3"])
def test_sec_2_a_number_that_no_database_holds_is_one_sentence(number: str, demo: Inside) -> None:
    """Digits of ASCII, at most eighteen."""
    for words in (("show", number), ("history", f"--limit={number}"), ("calendar", f"--days={number}")):
        done = demo.sexton(*words)

        assert done.code == 2
        assert " is no number of " in done.err or (number == "-1" and "arguments" in done.err)
        assert len(done.err.splitlines()[-1]) < 200
        assert "Traceback" not in done.err
