"""Any story of a destination against a plain model: what was promised about rests, probes and incidents."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from sexton.calls.health import CallReport, DestinationHealth, FailureKind, HealthChange, after, changed, with_probe
from tests.support.sessions import NOON

DAY = 86400.0

MOST = 6


@dataclass
class Model:
    """Written from the promises, with seconds and lists. rest_ends: None while it works."""

    rest_ends: float | None = None
    in_a_row: int = 0
    last_failure: float | None = None
    failing_since: float | None = None
    sequence: list[str] = field(default_factory=list)
    successes: int | None = None
    probe: tuple[str, float] | None = None

    def room(self, now: float) -> int:
        if self.rest_ends is not None:
            taken = self.probe is not None and now < self.probe[1]
            return 0 if now < self.rest_ends or taken else 1
        if self.successes is None:
            return MOST
        return min(MOST, next(room for room, up_to in ((1, 2), (2, 4), (4, 8)) if self.successes < up_to))

    def take(self, claim: str, now: float, lasts: float) -> bool:
        due = self.rest_ends is not None and now >= self.rest_ends
        if not due or (self.probe is not None and now < self.probe[1] and self.probe[0] != claim):
            return False
        self.probe = claim, now + lasts
        return True

    def success(self, now: float) -> HealthChange | None:
        if self.rest_ends is not None:
            if now < self.rest_ends:
                return None
            self.rest_ends, self.probe, self.successes = None, None, 1
            self.sequence, self.failing_since = [], None
            return HealthChange.BACK
        self.sequence, self.failing_since = [], None
        if self.successes is not None:
            self.successes += 1
            if self.successes == 8:
                self.successes, self.in_a_row = None, 0
        return None

    def failure(self, now: float, subject: str, kind: FailureKind, asked: float) -> HealthChange | None:
        before, self.last_failure = self.last_failure, now
        self.failing_since = now if self.failing_since is None else self.failing_since
        wanted = DAY if kind is FailureKind.LASTING else min(asked, DAY)
        if self.rest_ends is not None and now < self.rest_ends:
            self.rest_ends = max(self.rest_ends, now + wanted)
            return None
        probing = self.rest_ends is not None
        if not probing and kind is FailureKind.ROW:
            self.sequence += [subject] if subject not in self.sequence else []
            if len(self.sequence) < 3:
                return None
        again = probing or (before is not None and now - before < 900)
        self.in_a_row = self.in_a_row + 1 if again else 1
        self.rest_ends = now + max(wanted, min(30.0 * 2 ** (self.in_a_row - 1), 900.0))
        self.sequence, self.successes, self.probe = [], None, None
        return None if probing else HealthChange.RESTS


KINDS = st.sampled_from([None, None, *FailureKind])

EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("call"), KINDS, st.sampled_from("abcd"), st.sampled_from([0.0, 0.0, 5.0, 1000.0, 1e9])),
        st.tuples(st.just("probe"), st.sampled_from("xyz"), st.sampled_from([10.0, 100.0, 3000.0])),
        st.tuples(st.just("wait"), st.sampled_from([0.5, 10.0, 30.0, 100.0, 900.0, 3600.0, DAY])),
    ),
    max_size=60,
)


@settings(max_examples=400)
@given(events=EVENTS)
def test_any_story_is_that_of_the_model(events: list[tuple[object, ...]]) -> None:
    """(G1, G5, G6) room, rests, probes, incidents; and incidents open and end in turn."""
    health, model, now = DestinationHealth(), Model(), 0.0
    incidents: list[HealthChange] = []
    for event in events:
        match event:
            case "wait", float(seconds):
                now += seconds
            case "probe", str(claim), float(lasts):
                at = NOON + timedelta(seconds=now)
                health = with_probe(health, claim, at + timedelta(seconds=lasts), at)
                if model.take(claim, now, lasts):
                    assert health.probe == claim
            case "call", kind, str(subject), float(asked):
                assert kind is None or isinstance(kind, FailureKind)
                report = CallReport("any", subject, kind, "why", asked)
                then, health = health, after(health, report, NOON + timedelta(seconds=now))
                change = model.success(now) if kind is None else model.failure(now, subject, kind, asked)
                assert changed(then, health) is change
                incidents += [change] if change is not None else []
        at = NOON + timedelta(seconds=now)
        assert health.room(at, MOST) == model.room(now)
        assert health.rest_until == (None if model.rest_ends is None else NOON + timedelta(seconds=model.rest_ends))
        failing = None if model.failing_since is None else NOON + timedelta(seconds=model.failing_since)
        assert health.first_failed_at == failing
    assert incidents == ([HealthChange.RESTS, HealthChange.BACK] * len(incidents))[: len(incidents)]


@given(events=EVENTS)
def test_whatever_has_happened_it_comes_back_once_it_works(events: list[tuple[object, ...]]) -> None:
    """Trap 6: a day after the last failure a probe is free, whoever died with the one before; then nine calls do."""
    health, now = DestinationHealth(), NOON
    for event in events:
        match event:
            case "wait", float(seconds):
                now += timedelta(seconds=seconds)
            case "probe", str(claim), float(lasts):
                health = with_probe(health, claim, now + timedelta(seconds=lasts), now)
            case "call", kind, str(subject), float(asked):
                assert kind is None or isinstance(kind, FailureKind)
                health = after(health, CallReport("any", subject, kind, "why", asked), now)

    now += timedelta(days=1)
    assert health.room(now, MOST) > 0
    for _ in range(9):
        health = after(health, CallReport("any", "a"), now)
    assert health.room(now, MOST) == MOST
