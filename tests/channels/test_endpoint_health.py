"""When an endpoint is disabled, and when its owner is told (W7)."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest

from sexton.channels.endpoint_health import EndpointHealth, EndpointVerdict, endpoint_name

BEGIN = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NOTHING, WARN, DISABLE = EndpointVerdict


def failures(*after: timedelta, health: EndpointHealth | None = None) -> list[EndpointVerdict]:
    """What each failure so long after the beginning calls for."""
    health, verdicts = health or EndpointHealth(), []
    for length in after:
        health, verdict = health.failed(BEGIN + length)
        verdicts.append(verdict)
    return verdicts


def test_w7_gone_disables_at_once() -> None:
    health, verdict = EndpointHealth(last_ok_at=BEGIN - HOUR).failed(BEGIN, gone=True)

    assert verdict is DISABLE
    assert health.disabled_at == BEGIN


def test_w7_five_days_of_failures_warn_once_and_disable() -> None:
    every_two_hours = [HOUR * number for number in range(0, 130, 2)]

    verdicts = failures(*every_two_hours)

    assert [
        (after, verdict) for after, verdict in zip(every_two_hours, verdicts, strict=True) if verdict != NOTHING
    ] == [
        (DAY, WARN),
        (5 * DAY, DISABLE),
    ]


@pytest.mark.parametrize(
    ("after", "last"),
    [
        ((0 * HOUR, 5 * DAY - timedelta(seconds=1)), WARN),
        ((0 * HOUR, 13 * HOUR, 5 * DAY - timedelta(seconds=1)), WARN),
        ((0 * HOUR, 13 * HOUR, 5 * DAY), DISABLE),
        ((0 * HOUR, 12 * HOUR, 5 * DAY), DISABLE),
        ((0 * HOUR, 11 * HOUR, 5 * DAY), WARN),
        ((0 * HOUR, 6 * DAY), WARN),
        ((0 * HOUR, 6 * DAY, 6 * DAY + HOUR), DISABLE),
    ],
)
def test_w7_failures_must_lie_apart(after: tuple[timedelta, ...], last: EndpointVerdict) -> None:
    """One bad hour and another failure after a week are no five days of failures: it was hardly called."""
    assert failures(*after)[-1] is last


def test_w7_a_success_begins_anew() -> None:
    health, _ = EndpointHealth().failed(BEGIN)
    health, _ = health.failed(BEGIN + 4 * DAY)
    health = health.succeeded(BEGIN + 4 * DAY + HOUR)

    assert health == EndpointHealth(last_ok_at=BEGIN + 4 * DAY + HOUR)
    assert set(failures(5 * DAY, 6 * DAY - HOUR, health=health)) == {NOTHING}


def test_w7_the_first_failure_is_set_once() -> None:
    health, _ = EndpointHealth().failed(BEGIN)
    later, _ = health.failed(BEGIN + HOUR)

    assert (health.first_failed_at, later.first_failed_at) == (BEGIN, BEGIN)


def test_w7_an_attempt_that_is_recorded_late_undoes_nothing() -> None:
    """Two calls to one endpoint end in another order than they are recorded in."""
    fine = EndpointHealth(last_ok_at=BEGIN)
    assert fine.failed(BEGIN - HOUR) == (fine, NOTHING)

    broken, _ = EndpointHealth().failed(BEGIN)
    late = broken.succeeded(BEGIN - HOUR)
    assert (late.first_failed_at, late.last_ok_at) == (BEGIN, BEGIN - HOUR)
    assert fine.succeeded(BEGIN - HOUR) == fine


def test_w7_what_is_disabled_stays_so_and_is_told_once() -> None:
    health, _ = EndpointHealth().failed(BEGIN, gone=True)

    assert health.failed(BEGIN + HOUR, gone=True) == (health, NOTHING)


def test_w7_whatever_happens_it_is_disabled_only_after_five_days_without_success(chance: random.Random) -> None:
    """Random histories, against what can be said of each in one sentence."""
    for _ in range(300):
        health, at, since, told = EndpointHealth(), BEGIN, None, 0
        for _ in range(60):
            at += timedelta(minutes=chance.randint(1, 1200))
            if chance.random() < 0.03:
                health, since, told = health.succeeded(at), None, 0
                continue
            since = since or at
            health, verdict = health.failed(at)
            told += verdict is WARN
            assert health.first_failed_at == since
            assert told <= 1
            if verdict is DISABLE:
                assert at - since >= 5 * DAY
                break
            assert verdict is not DISABLE


def test_the_name_of_an_endpoint_does_not_hold_its_address() -> None:
    name = endpoint_name("https://hooks.example.com/qXcanaryX7")

    assert name.startswith("endpoint:")
    assert "example" not in name
    assert name != endpoint_name("https://hooks.example.com/qXcanaryX8")
