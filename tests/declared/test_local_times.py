"""REP-14: columns without zone that hold local time, of one zone or each row's own, on nights of clock changes."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Connection, func, select, text

from sexton.config.policy_settings import PolicySettings
from sexton.db.time_parameters import ALL_LOCAL_TIMES, instant_expression, local_time
from sexton.declared.other_clock import clock_doubt
from sexton.errors import PolicyError
from sexton.jobs.span import parse_span
from sexton.jobs.zoneless_columns import instant_of
from sexton.runs.runner import planned
from sexton.statements.batch_strategy import Request, parameters
from sexton.statements.postgresql_batch import CteBatches
from sexton.telemetry.debt import read_debt
from sexton.testing import preview_job, run_job
from tests.sql.test_plans import explained, nodes, picking
from tests.support.findings import about, examined

from .shop import Shop, settings_of

pytestmark = pytest.mark.databases("sqlite", "postgres15")

ANGELES = "America/Los_Angeles"
TICK = timedelta(microseconds=1)
NOON = datetime(2026, 6, 15, 12, tzinfo=UTC)
FALL, SPRING = datetime(2026, 11, 1, 9, tzinfo=UTC), datetime(2026, 3, 8, 10, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def local(*parts: int) -> datetime:
    """A time without zone."""
    return datetime(*parts)  # type: ignore[arg-type] # noqa: DTZ001


FAR = local(9000, 1, 1)


def around(change: datetime) -> list[datetime]:
    """Local times within four hours of a change, a quarter apart, one unit before, at, and after each."""
    middle = change.astimezone(ZoneInfo(ANGELES)).replace(tzinfo=None)
    return [middle + 15 * MINUTE * step + side for step in range(-16, 17) for side in (-TICK, timedelta(), TICK)]


def fill(shop: Shop, times: list[Any], zones: list[str | None] | None = None) -> None:
    """Rows numbered from 1."""
    kind = "text" if shop.sqlite else "timestamp"
    shop.do(f"CREATE TABLE visits (id int PRIMARY KEY, ends {kind}, tz text, seen {kind})")
    rows = [
        {"id": number, "ends": stored(shop, at), "tz": zones[number - 1] if zones else None}
        for number, at in enumerate(times, 1)
    ]
    with shop.engine.begin() as connection:
        connection.execute(text("INSERT INTO visits (id, ends, tz) VALUES (:id, :ends, :tz)"), rows)


def stored(shop: Shop, at: Any) -> Any:
    return at.strftime("%Y-%m-%d %H:%M:%S.%f") if shop.sqlite and isinstance(at, datetime) else at


def due_ids(connection: Connection, plan: Any, at: datetime) -> int:
    """How many rows are due then: by the predicate that pick, count, dry run and doctor share."""
    asked = select(func.count()).select_from(plan.table).where(plan.due)
    return connection.execute(asked, parameters(asked, Request(1, None, at, "", None))).scalar_one()


@pytest.mark.parametrize("change", [FALL, SPRING], ids=["autumn", "spring"])
@pytest.mark.parametrize(
    ("written", "keep", "inclusive"),
    [
        ({"by": "ends", "zone": ANGELES}, timedelta(), False),
        ({"by": "ends", "zone": ANGELES, "boundary": "<="}, timedelta(), True),
        ({"by": "ends", "zone": ANGELES, "keep": "36h"}, timedelta(hours=36), False),
        ({"zone": ANGELES, "only": {"ends": {"older_than": "3h"}}}, timedelta(hours=3), False),
        ({"by": "ends", "zone_column": "tz", "zone": "Asia/Tokyo"}, timedelta(), False),
        ({"by": "ends", "zone_column": "tz", "zone": "Asia/Tokyo", "boundary": "<="}, timedelta(), True),
    ],
    ids=["deadline", "inclusive", "kept", "only", "zone_column", "zone_column, inclusive"],
)
def test_rep_14_local_times_are_due_when_their_instant_has_passed(
    change: datetime, written: dict[str, Any], keep: timedelta, inclusive: bool, shop: Shop
) -> None:
    """One unit before, at and after each quarter of an hour of the night, by Python's own zones."""
    times, zone = around(change), ZoneInfo(ANGELES)
    fill(shop, [*times, None, FAR], [ANGELES] * len(times) + [None, None])
    (plan,) = planned(shop.job(purge="visits", **written), shop.engine)
    means = [instant_of(at, zone) for at in times]
    steps = (-2,) if "zone_column" in written else range(-8, 9)
    with shop.engine.connect() as connection:
        for cutoff in (change + 15 * MINUTE * step + side for step in steps for side in (-TICK, timedelta(), TICK)):
            wanted = sum(at <= cutoff if inclusive else at < cutoff for at in means)
            assert due_ids(connection, plan, cutoff + keep) == wanted, cutoff


@pytest.mark.parametrize("sign", ["<", "<=", ">", ">="])
def test_rep_14_conditions_in_sql_mean_the_same(sign: str, shop: Shop) -> None:
    times = around(FALL)
    fill(shop, [*times, None])
    now = "datetime('now')" if shop.sqlite else "now()"
    (plan,) = planned(shop.job(purge="visits", only=f"ends {sign} {now}", zone=ANGELES), shop.engine)
    signs = {"<": datetime.__lt__, "<=": datetime.__le__, ">": datetime.__gt__, ">=": datetime.__ge__}
    with shop.engine.connect() as connection:
        for cutoff in (FALL - 60 * MINUTE, FALL - 30 * MINUTE, FALL, FALL + TICK, FALL + 60 * MINUTE):
            wanted = sum(signs[sign](instant_of(at, ZoneInfo(ANGELES)), cutoff) for at in times)
            assert due_ids(connection, plan, cutoff) == wanted


def test_rep_14_what_goes_is_what_was_counted_and_since_when_is_known(shop: Shop) -> None:
    """Pick, order, samples, debt, and the report's own rows: eight hours early it would take rows 1 to 3."""
    fill(shop, [local(2026, 6, 15, 4, 59), local(2026, 6, 15, 5), local(2026, 6, 15, 11), None])
    job = shop.armed(purge="visits", by="ends", zone=ANGELES, max_share=1.0)

    (owed,) = read_debt(shop.engine, [shop.job(purge="visits", by="ends", zone=ANGELES)])
    foreseen, outcome = preview_job(shop.engine, job, at=NOON), run_job(shop.engine, job, at=NOON)

    assert owed.since == datetime(2026, 6, 15, 11, 59, tzinfo=UTC)
    assert [row["id"] for row in foreseen.samples["tidy"].rows] == ["1"]
    assert (foreseen.total.picked, outcome.total.changed) == (1, 1)
    assert shop.ids("visits") == [2, 3, 4]


@pytest.mark.databases("postgres15")
def test_rep_14_infinity_is_never_due_and_minus_infinity_is(shop: Shop) -> None:
    fill(shop, ["infinity", "-infinity", local(2026, 1, 1)])

    run_job(shop.engine, shop.armed(purge="visits", by="ends", zone=ANGELES, max_share=1.0), at=NOON)

    assert shop.ids("visits") == [1]


@pytest.mark.databases("sqlite")
def test_rep_14_text_that_names_utc_itself_is_in_utc(shop: Shop) -> None:
    rows = [
        "2026-06-15 04:59:59",
        "2026-06-15T05:00:00",
        "2026-06-15T11:59:59Z",
        "2026-06-15T12:00:00Z",
        "2026-06-15T05:00:01+02:00",
    ]
    fill(shop, rows)

    run_job(shop.engine, shop.armed(purge="visits", by="ends", zone=ANGELES, max_share=1.0), at=NOON)

    assert shop.ids("visits") == [2, 4, 5]


def test_rep_14_each_row_is_in_its_own_zone_or_in_that_of_the_rule_or_never_due(shop: Shop) -> None:
    """At 12:00 UTC it is 05:00 in Los Angeles, 21:00 in Tokyo, 14:00 in Berlin."""
    hours = [(4, ANGELES), (6, ANGELES), (20, "Asia/Tokyo"), (22, "Asia/Tokyo"), (13, None), (15, None), (1, "Tokyo")]
    fill(shop, [local(2026, 6, 15, hour) for hour, _ in hours], [zone for _, zone in hours])
    job = shop.armed(purge="visits", by="ends", zone_column="tz", zone="Europe/Berlin", max_share=1.0)

    assert [finding.text.partition(",")[0] for finding in about(examined(shop.engine, job), "time zone")] == [
        "1 row has no time zone that is known"
    ]
    assert run_job(shop.engine, job, at=NOON).total.changed == 3
    assert shop.ids("visits") == [2, 4, 6, 7]


@pytest.mark.parametrize("zones", [False, True], ids=["zone", "zone_column"])
def test_rep_14_now_is_written_and_told_as_clocks_show_it_there(zones: bool, shop: Shop) -> None:
    fill(shop, [local(2026, 6, 15, 4)], [ANGELES])
    own: dict[str, Any] = {"zone_column": "tz"} if zones else {"zone": ANGELES}
    change: dict[str, Any] = {"set": {"seen": {"now": True}}, "only": {"seen": {"null": True}}, "event": "seen"}
    job = shop.armed(transition="visits", by="ends", max_share=1.0, **own, **change)

    assert run_job(shop.engine, job, at=NOON).total.told == 1
    with shop.engine.connect() as connection:
        outbox = "sexton_outbox_events" if shop.sqlite else "sexton.outbox_events"
        payload = connection.execute(text(f"SELECT payload FROM {outbox}")).scalar_one()
        seen = connection.execute(text("SELECT seen FROM visits")).scalar_one()

    said = json.loads(payload)["ends"] if isinstance(payload, str) else payload["ends"]
    assert str(seen)[:19] == "2026-06-15 05:00:00"
    assert said.replace("T", " ") == "2026-06-15 04:00:00.000000"


@pytest.mark.databases("postgres15")
def test_rep_14_months_and_clock_changes_are_the_same_in_the_database(engine: Any) -> None:
    """What a procedure of PostgreSQL computes is what Python binds."""
    with engine.connect() as connection:
        connection.execute(text("SET LOCAL timezone = 'Pacific/Auckland'"))
        for change in (FALL, SPRING):
            for step in range(-2, 3):
                for side in (-TICK, timedelta(), TICK):
                    compare(connection, change + 30 * MINUTE * step + side)


def compare(connection: Connection, at: datetime) -> None:
    for distance in ("0s", "3h", "1 month"):
        span = -parse_span(distance)
        for kind in ("wall", "local"):
            form = local_time(ANGELES, kind=kind, inclusive=kind == "wall" and distance == "3h")
            asked = text(f"SELECT {instant_expression('CAST(:at AS timestamptz)', span, form)}".replace("::", " :: "))
            there = connection.execute(asked, {"at": at}).scalar_one()
            assert there == form.value(at, span), (at, distance, kind)


@pytest.mark.databases("sqlite")
def test_rep_14_every_zone_has_its_local_time(shop: Shop) -> None:
    form = ALL_LOCAL_TIMES[False, False]

    times = json.loads(form.value(NOON, parse_span("1d")))

    assert times[ANGELES] == "2026-06-16 05:00:00.000000"
    assert times["Asia/Kathmandu"] == "2026-06-16 17:45:00.000000"
    assert len(times) > 400


@pytest.mark.databases("sqlite", "postgres15")
@pytest.mark.parametrize(
    ("kind", "zone"),
    [("timestamptz", {"zone": ANGELES}), ("timestamptz", {"zone_column": "tz"}), ("bigint", {"zone": ANGELES})],
)
def test_rep_14_a_zone_for_what_has_one_is_refused(kind: str, zone: dict[str, str], shop: Shop) -> None:
    if shop.sqlite and kind == "timestamptz":
        pytest.skip("SQLite keeps no such type")
    shop.do(f"CREATE TABLE visits (id int PRIMARY KEY, ends {kind}, tz text)")
    more = {"unit": "s"} if kind == "bigint" else {}

    with pytest.raises(PolicyError, match="has no meaning for it"):
        planned(shop.job(purge="visits", by="ends", **zone, **more), shop.engine)


@pytest.mark.databases("postgres15")
@pytest.mark.parametrize("own", [{"zone": ANGELES}, {"zone_column": "tz", "zone": "UTC"}], ids=["zone", "zone_column"])
def test_rep_14_an_index_on_the_bare_column_serves(own: dict[str, str], shop: Shop) -> None:
    shop.do(
        "CREATE TABLE visits (id bigint PRIMARY KEY, ends timestamp, tz text)",
        "INSERT INTO visits SELECT n, timestamp '2026-06-15' - n * interval '1 min', 'UTC'"
        " FROM generate_series(1, 50000) AS n",
        "CREATE INDEX ON visits (ends, id)",
        "ANALYZE visits",
    )
    (plan,) = planned(shop.job(purge="visits", by="ends", keep="30d", **own), shop.engine)

    for batch in CteBatches(plan).statements():
        found = [
            node for node, _ in nodes(picking(explained(shop.engine, batch))) if node.get("Relation Name") == "visits"
        ]
        assert any("ends <" in node.get("Index Cond", "") for node in found)
        assert all(node["Node Type"] != "Seq Scan" for node in found)


@pytest.mark.parametrize(
    ("newest", "written", "words"),
    [
        (timedelta(hours=7), {}, "the newest ends is 7 h ahead of now: does the column hold local time?"),
        (timedelta(days=3), {}, "the newest ends is 3 d ahead of now"),
        (-timedelta(hours=7, seconds=40), {}, "the newest ends is 7 h behind now, as if"),
        (-timedelta(hours=5, minutes=30), {}, "the newest ends is 5.5 h behind now, as if"),
        (-timedelta(hours=7), {"zone": ANGELES}, None),
        (timedelta(), {"zone": ANGELES}, f"the newest ends is 7 h ahead of now: is {ANGELES} right?"),
        (-timedelta(seconds=20), {}, None),
        (-timedelta(hours=7, minutes=12), {}, None),
        (-timedelta(days=3), {}, None),
        (timedelta(hours=7), {"kind": "deadline"}, None),
        (None, {}, None),
    ],
)
def test_rep_14_a_column_of_another_clock_is_asked_about(
    newest: timedelta | None, written: dict[str, str], words: str | None, shop: Shop
) -> None:
    fill(shop, [NOON.replace(tzinfo=None) + newest if newest is not None else None, None])
    asked = {"purge": "visits", "by": "ends", "keep": "30d", **written}
    (plan,) = planned(shop.job(**asked), shop.engine)
    settings: PolicySettings = settings_of(asked)

    with shop.engine.connect() as connection:
        found = clock_doubt(connection, plan, settings, NOON)

    assert (found or "").startswith(words or "")
    assert (found is None) == (words is None)
