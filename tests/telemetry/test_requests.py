"""Jobs on demand in metrics and incidents: what waits, what ended, and that dead letters are told about."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from sexton import Wish
from sexton.db.server_clock import ask_now
from sexton.requests.inspection import DeadFilter
from sexton.telemetry.alert_texts import TITLES
from sexton.telemetry.request_counters import read_requests
from sexton.telemetry.request_metrics import REQUEST_METRICS, request_samples
from sexton.telemetry.request_rules import DEAD_REQUESTS, request_matches
from tests.support.post_office import PostOffice, open_post_office


@pytest.fixture
def office(database: str) -> Iterator[PostOffice]:
    """A post office with one of each."""
    with open_post_office(database) as office:
        office.app.enqueue("post.write")
        office.app.enqueue("post.fail", wish=Wish(attempts=1))
        office.app.enqueue("post.fail", wish=Wish(attempts=2))
        office.work()
        office.app.enqueue_many("post.write", [{}] * 3)
        office.app.enqueue("post.write", wish=Wish(serial="s"))
        office.app.enqueue("post.write", wish=Wish(delay="1h"))
        yield office


def test_what_waits_and_what_ended_is_told_by_job(office: PostOffice) -> None:
    with office.engine.connect() as connection:
        now = ask_now(connection) + timedelta(minutes=1)
        counters = read_requests(connection, now - timedelta(days=1))

    told = {
        (family.name.removeprefix("sexton_requests_"), *labels.values()): value
        for family, labels, value in request_samples(counters, ["post.write", "post.fail"], now)
    }

    assert told.pop(("oldest_seconds", "post.write")) >= 60
    assert told == {
        ("waiting", "post.write"): 4,
        ("delayed", "post.write"): 1,
        ("running", "post.write"): 0,
        ("dead", "post.write"): 0,
        ("ended", "post.write", "succeeded"): 1,
        ("ended", "post.write", "failed"): 0,
        ("ended", "post.write", "dead"): 0,
        ("waiting", "post.fail"): 0,
        ("delayed", "post.fail"): 1,
        ("running", "post.fail"): 0,
        ("oldest_seconds", "post.fail"): 0,
        ("dead", "post.fail"): 1,
        ("ended", "post.fail", "succeeded"): 0,
        ("ended", "post.fail", "failed"): 2,
        ("ended", "post.fail", "dead"): 1,
    }
    assert {family.name for family, _, _ in request_samples(counters, ["post.write"], now)} == {
        family.name for family in REQUEST_METRICS
    }
    assert list(request_samples(counters, ["post.finish"], now)) == []


def test_dead_letters_are_an_incident_for_a_day_or_until_somebody_decides(office: PostOffice) -> None:
    from sexton.requests.dead_letters import discard

    with office.engine.begin() as connection:
        now = ask_now(connection)
        found = request_matches(connection, ["post.fail"], now)
        unknown = request_matches(connection, [], now)
        a_day_later = request_matches(connection, ["post.fail"], now + timedelta(hours=25))
        discard(connection, DeadFilter(job="post.fail"))
        decided = request_matches(connection, ["post.fail"], now)

    match = found["post.fail", DEAD_REQUESTS]
    assert match.text == "post.fail: 1 request is dead, and will not be tried again"
    assert match.error == "RuntimeError: as ever"
    assert unknown["post.fail", DEAD_REQUESTS].text.endswith("a job that is not known here")
    assert a_day_later == decided == {}
    assert TITLES[DEAD_REQUESTS]
