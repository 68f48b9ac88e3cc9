"""Schedules: the cost of planning a day of 10,000 of them (D1), and the days of clock changes (D2).

    python -m benchmarks.schedules

D1 plans one day both ways in each round, ours and then cronsim asked schedule by schedule, parsing included on
both sides. D2 counts the slots of the days of clock changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from heapq import heapify, heapreplace
from time import perf_counter
from zoneinfo import ZoneInfo

from cronsim import CronSim

from sexton.engines.worker.agenda import Agenda
from sexton.jobs import cron_fields
from sexton.jobs.occurrences import plan
from sexton.jobs.schedule import cron

from .figures import Row, at_least, note

ZONES = ("UTC", "Asia/Jerusalem")
START = datetime(2026, 5, 5, tzinfo=UTC)
DAY = timedelta(days=1)
TICK = timedelta(microseconds=1)
TIMES_FASTER = 15

# zone: days whose clocks go forward and back, in 2026 and 2027; a daily time inside the gap and the overlap
CHANGES = {
    "Asia/Jerusalem": (("2026-03-27", "2026-10-25"), ("2027-03-26", "2027-10-31"), "30 2", "30 1"),
    "Europe/London": (("2026-03-29", "2026-10-25"), ("2027-03-28", "2027-10-31"), "30 1", "30 1"),
    "America/New_York": (("2026-03-08", "2026-11-01"), ("2027-03-14", "2027-11-07"), "30 2", "30 1"),
    "Australia/Lord_Howe": (("2026-10-04", "2026-04-05"), ("2027-10-03", "2027-04-04"), "15 2", "45 1"),
}


def expressions(count: int) -> dict[str, str]:
    """75% daily, 15% hourly, 5% every five minutes, the rest weekly and monthly, spread over their times."""
    chosen = {}
    for number in range(count):
        share, minute, hour = number % 40, number * 7 % 60, number // 60 % 24
        if share < 30:
            chosen[f"job_{number}"] = f"{minute} {hour} * * *"
        elif share < 36:
            chosen[f"job_{number}"] = f"{minute} * * * *"
        elif share < 38:
            chosen[f"job_{number}"] = "*/5 * * * *"
        elif share < 39:
            chosen[f"job_{number}"] = f"{minute} {hour} * * {number % 7}"
        else:
            chosen[f"job_{number}"] = f"{minute} {hour} {number % 28 + 1} * *"
    return chosen


def ours(chosen: dict[str, str], zone: str) -> int:
    """Firings of one day, from text to a sorted plan; nothing is remembered from the round before."""
    for function in vars(cron_fields).values():
        if hasattr(function, "cache_clear"):
            function.cache_clear()
    return len(plan({name: cron(text, zone) for name, text in chosen.items()}, START, START + DAY))


def cronsim_one_by_one(chosen: dict[str, str], zone: str) -> int:
    """Firings of one day, each schedule iterated alone, neither merged nor sorted."""
    start = (START - timedelta(seconds=1)).astimezone(ZoneInfo(zone) if zone != "UTC" else UTC)
    end = (START + DAY).astimezone(start.tzinfo)
    count = 0
    for text in chosen.values():
        for slot in CronSim(text, start):
            if slot >= end:
                break
            count += 1
    return count


def measure_planning(count: int, rounds: int) -> Iterator[Row]:
    """One row a zone. Raises AssertionError when the two sides differ in their number of firings."""
    chosen = expressions(count)
    for zone in ZONES:
        ratios, seconds = [], []
        for _ in range(rounds):
            our_time, our_count = _timed(ours, chosen, zone)
            their_time, their_count = _timed(cronsim_one_by_one, chosen, zone)
            assert our_count == their_count, f"{our_count} firings planned, {their_count} by cronsim"
            ratios.append(their_time / our_time)
            seconds.append(our_time)
        note(f"D1 {zone}: {our_count} firings of {count} schedules planned in {min(seconds):.3f} s")
        yield at_least("D1", f"plan a day, {zone}: >= {TIMES_FASTER}x cronsim", ratios, TIMES_FASTER)


def ticks_ours(chosen: dict[str, str], zone: str) -> int:
    """Firings of one day as a worker finds them: at each minute, whatever its agenda says, then the next slot."""
    schedules = {name: cron(text, zone) for name, text in chosen.items()}
    agenda = Agenda()
    for name, schedule in schedules.items():
        agenda.look_at(name, schedule.next(START - TICK))
    count = 0
    for minute in range(24 * 60):
        now = START + timedelta(minutes=minute)
        for name in agenda.due(now):
            count += 1
            agenda.look_at(name, schedules[name].next(now))
    return count


def ticks_cronsim(chosen: dict[str, str], zone: str) -> int:
    """The same from a heap of bare cronsim iterators."""
    start = (START - timedelta(seconds=1)).astimezone(ZoneInfo(zone) if zone != "UTC" else UTC)
    iterators = {name: CronSim(text, start) for name, text in chosen.items()}
    heap = [(next(iterator), name) for name, iterator in iterators.items()]
    heapify(heap)
    count = 0
    for minute in range(24 * 60):
        now = START + timedelta(minutes=minute)
        while heap[0][0] <= now:
            _, name = heap[0]
            count += 1
            heapreplace(heap, (next(iterators[name]), name))
    return count


def measure_ticks(count: int, rounds: int) -> Iterator[Row]:
    """What a day of ticks costs a worker with that many jobs, in processor time of its agenda alone."""
    chosen = expressions(count)
    for zone in ZONES:
        ratios, seconds = [], []
        for _ in range(rounds):
            our_time, our_count = _timed(ticks_ours, chosen, zone)
            their_time, their_count = _timed(ticks_cronsim, chosen, zone)
            assert our_count == their_count, f"{our_count} firings, {their_count} by cronsim"
            ratios.append(their_time / our_time)
            seconds.append(our_time)
        each = min(seconds) / our_count * 1e6
        note(
            f"D1 {zone}: a day of ticks of {count} jobs, {our_count} firings: {min(seconds):.3f} s, {each:.0f} us each"
        )
        yield at_least("D1", f"a day of ticks, {count} jobs, {zone}: >= 1x a heap of bare cronsim", ratios, 1.0)


def check_clock_changes() -> Iterator[Row]:
    """One row for each rule, over four zones and two years."""
    wrong: dict[str, list[str]] = {}
    for zone, (*years, gap_time, overlap_time) in CHANGES.items():
        for forward, back in years:
            for title, expected, counted in cells(zone, forward, back, gap_time, overlap_time):
                misses = wrong.setdefault(title, [])
                if counted != expected:
                    misses.append(f"{zone} {forward[:4]}: {counted}, not {expected}")
    for title, misses in wrong.items():
        yield {
            "id": "D2",
            "target": f"clock changes, {title}: 8 of 8 cells",
            "measured": "; ".join(misses) or "8 of 8 cells",
            "met": not misses,
        }


def cells(zone: str, forward: str, back: str, gap: str, overlap: str) -> Iterator[tuple[str, int, int]]:
    """(rule, slots there should be, slots there are) on the days `forward` and `back` of one year."""
    half_hour = zone == "Australia/Lord_Howe"
    yield "gap daily", 1, slots_on(forward, f"{gap} * * *", zone)
    yield "overlap daily", 1, slots_on(back, f"{overlap} * * *", zone)
    yield "gap hourly", 23, slots_on(forward, "0 * * * *", zone)
    yield "overlap hourly", 24 if half_hour else 25, slots_on(back, "0 * * * *", zone)
    yield "gap */15", 94 if half_hour else 92, slots_on(forward, "*/15 * * * *", zone)
    yield "overlap */15", 98 if half_hour else 100, slots_on(back, "*/15 * * * *", zone)
    yield "next day", 2, sum(slots_on(next_day(day), "0 6 * * *", zone) for day in (forward, back))
    # 7 June 2026 is a Sunday, 12 June a Friday, 13 June a Saturday.
    yield "weekday 0 is Sunday", 1, slots_on("2026-06-07", "0 6 * * 0", zone)
    yield "day or weekday", 2, sum(slots_on(f"2026-06-{day}", "0 6 13 * 5", zone) for day in (12, 13))


def slots_on(day: str, expression: str, zone: str) -> int:
    """How many slots one local day has."""
    start = datetime.fromisoformat(day)
    first, last = (at.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC) for at in (start, start + DAY))
    return sum(1 for _ in cron(expression, zone).between(first - TICK, last - TICK))


def next_day(day: str) -> str:
    return (datetime.fromisoformat(day) + DAY).date().isoformat()


def run(count: int = 10_000, rounds: int = 3) -> list[Row]:
    """Rows {id, target, measured, met}. Well under a minute, nearly all of it cronsim's."""
    return [*measure_planning(count, rounds), *measure_ticks(1000, rounds), *check_clock_changes()]


def _timed(side: Callable[[dict[str, str], str], int], chosen: dict[str, str], zone: str) -> tuple[float, int]:
    began = perf_counter()
    firings = side(chosen, zone)
    return perf_counter() - began, firings


def main() -> None:
    rows = run()
    width = max(len(row["target"]) for row in rows)
    for row in rows:
        print(f"{row['id']}  {row['target']:{width}}  {'met' if row['met'] else 'MISSED':6}  {row['measured']}")


if __name__ == "__main__":
    main()
