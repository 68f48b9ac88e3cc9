"""C7: `only` as SQL is one expression without side effects; it selects the rows that the same WHERE does."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import text

from sexton.errors import UsageError
from sexton.runs.runner import planned
from sexton.testing import preview_job, run_job

from .shop import Shop

NOON = datetime(2026, 6, 15, 12, tzinfo=UTC)
PAST = int(NOON.timestamp()) - 1

ROWS = (
    ("done", 0, None, "2026-06-01 00:00:00", "a@x.org"),
    ("failed", 3, 10.5, "2026-06-14 12:00:00", "B@y.org"),
    ("open", 7, 0.0, None, "c%d@x.org"),
    (None, 9, -2.0, "2026-06-15 11:59:59", None),
    ("it's", 5, 7.25, "2026-06-12 12:00:00", "e@x.org"),
)


@pytest.fixture
def jobs(shop: Shop) -> Shop:
    """Five rows whose time is up, and another table that refers to two of them."""
    shop.do(
        'CREATE TABLE jobs (id int PRIMARY KEY, ends bigint, status text, tries int, "Sum" numeric,'
        f" seen_at {'text' if shop.sqlite else 'timestamp'}, mail text)",
        "CREATE TABLE holds (job_id int, kind text, ends bigint)",
        "INSERT INTO holds VALUES (2, 'legal', 5), (3, 'other', 5)",
    )
    insert = "INSERT INTO jobs VALUES (:id, :ends, :status, :tries, :sum, :seen, :mail)"
    for number, (status, tries, total, seen, mail) in enumerate(ROWS, 1):
        shop.do(insert, id=number, ends=PAST, status=status, tries=tries, sum=total, seen=seen, mail=mail)
    return shop


@pytest.mark.parametrize(
    "sql",
    [
        "status = 'done' OR tries > 5 AND NOT (tries = 9)",
        "status IN ('done', 'failed') AND tries NOT IN (3)",
        "status IS NULL",
        'status IS NOT NULL AND "Sum" IS NULL',
        "tries BETWEEN 3 AND 7",
        "mail LIKE '%@x.org' AND mail NOT LIKE 'c%'",
        "lower(mail) = 'b@y.org'",
        'coalesce("Sum", -1) < 0',
        'abs("Sum") >= 7.25 AND tries % 2 = 1',
        "tries * 2 - 1 > 10",
        "status = 'it''s'",
        "status || '!' = 'open!'",
        "CASE WHEN tries > 4 THEN status ELSE 'x' END = 'open'",
        "EXISTS (SELECT 1 FROM holds WHERE holds.job_id = jobs.id AND kind = 'legal')",
        "id NOT IN (SELECT h.job_id FROM holds AS h WHERE h.kind <> 'other')",
        "NOT EXISTS (SELECT 1 FROM jobs j JOIN holds h ON h.job_id = j.id WHERE j.id = jobs.id)",
        "(id, tries) IN (SELECT job_id, 3 FROM holds)",
        "CAST(tries AS text) = '9'",
        "tries = -(-7)",
        "(1 = 1) AND TRIES > 6",
    ],
)
def test_it_selects_what_the_same_where_does(sql: str, jobs: Shop) -> None:
    with jobs.engine.connect() as connection:
        meant = list(connection.execute(text(f"SELECT id FROM jobs WHERE {sql.replace(':', chr(92) + ':')}")).scalars())
    assert 0 < len(meant) < 5
    job = jobs.armed(purge="jobs", by="ends", unit="s", only=sql, max_share=1.0)

    assert preview_job(jobs.engine, job, at=NOON).total.picked == len(meant)
    run_job(jobs.engine, job, at=NOON)

    assert jobs.ids("jobs") == [number for number in range(1, 6) if number not in meant]


@pytest.mark.parametrize(
    ("sql", "left"),
    [
        ("seen_at < now() - interval '3 days'", [2, 3, 4, 5]),
        ("seen_at <= now() - interval '3 days'", [2, 3, 4]),
        ("now() - interval '24 hours' <= seen_at", [1, 3, 5]),
        ("seen_at > CURRENT_TIMESTAMP - interval '1 day'", [1, 2, 3, 5]),
        ("seen_at IS NULL OR seen_at < now() - interval '2 weeks'", [2, 4, 5]),
    ],
)
def test_now_is_the_time_of_the_run(sql: str, left: list[int], jobs: Shop) -> None:
    run_job(jobs.engine, jobs.armed(purge="jobs", by="ends", unit="s", only=sql), at=NOON)

    assert jobs.ids("jobs") == left


@pytest.mark.databases("sqlite")
def test_now_as_sqlite_writes_it(jobs: Shop) -> None:
    sql = "seen_at < datetime('now', '-3 days')"

    run_job(jobs.engine, jobs.armed(purge="jobs", by="ends", unit="s", only=sql), at=NOON)

    assert jobs.ids("jobs") == [2, 3, 4, 5]


@pytest.mark.databases("postgres")
def test_what_only_postgresql_has(jobs: Shop) -> None:
    jobs.do("ALTER TABLE jobs ADD data jsonb", """UPDATE jobs SET data = '{"gone": "yes"}' WHERE id = 2""")
    for sql in ("data ->> 'gone' = 'yes' AND starts_with(status, 'fail')", "mail ~ '^B' AND seen_at::date IS NOT NULL"):
        job = jobs.job(purge="jobs", by="ends", unit="s", only=sql)
        assert preview_job(jobs.engine, job, at=NOON).total.picked == 1


BAD = [
    ("status = 'done'; DROP TABLE jobs", "one condition, not several statements"),
    ("DROP TABLE jobs", "cannot stand in a condition"),
    ("status = 'done') OR (1 = 1", "no condition in SQL"),
    ("id IN (DELETE FROM holds RETURNING job_id)", "only: "),
    ("EXISTS (WITH x AS (DELETE FROM holds RETURNING 1) SELECT 1 FROM x)", "cannot stand here"),
    ("EXISTS (SELECT 1 FROM holds FOR UPDATE)", "cannot stand here"),
    ("EXISTS (SELECT 1 FROM holds LIMIT 1)", "cannot stand here"),
    ("EXISTS (SELECT 1 FROM (SELECT 1) x)", "cannot stand in FROM"),
    ("EXISTS (SELECT 1 FROM nobody)", "there is no table nobody"),
    ("stat = 'done'", "did you mean status"),
    ("now() IS NOT NULL", "now() stands alone on one side of a comparison"),
    ("seen_at = now()", "compare now() with a column, by < or >="),
    ("seen_at < now() - interval 'a while'", "no interval that is known"),
    ("count(*) > 1", "only: "),
    ("pg_sleep(5) IS NULL", "only: "),
    ("load_extension('x') IS NULL", "only: "),
    ("", "the text is empty"),
    ("status = :name", "only: "),
    ("status = ?", "only: "),
    ("status = $1", "tidy.only: "),
]


@pytest.mark.parametrize(("sql", "words"), BAD, ids=[sql[:30] for sql, _ in BAD])
def test_c7_what_is_no_condition_is_refused_in_one_line(sql: str, words: str, jobs: Shop) -> None:
    with pytest.raises(UsageError) as refused:
        run_job(jobs.engine, jobs.armed(purge="jobs", by="ends", unit="s", only=sql), at=NOON)

    assert words in str(refused.value)
    assert str(refused.value).startswith("policies.tidy")
    assert "\n" not in str(refused.value)
    assert jobs.ids("jobs") == [1, 2, 3, 4, 5]


@pytest.mark.databases("postgres")
@pytest.mark.parametrize(
    "call", ["nextval('numbers')", "random()", "setval('numbers', 7)", "write_it()", "txid_none()"]
)
def test_c7_a_volatile_function_is_refused(call: str, jobs: Shop) -> None:
    jobs.do(
        "CREATE SEQUENCE numbers",
        "CREATE FUNCTION write_it() RETURNS int LANGUAGE sql AS 'INSERT INTO holds VALUES (9) RETURNING 1'",
    )
    job = jobs.armed(purge="jobs", by="ends", unit="s", only=f"tries > {call}")

    with pytest.raises(UsageError, match=r"is not immutable|there is no function|cannot stand"):
        run_job(jobs.engine, job, at=NOON)


def test_a_row_that_a_condition_on_another_table_keeps_is_judged_after_it_is_locked(jobs: Shop) -> None:
    """Q15: whoever holds a row locks it first, so its hold is seen."""
    written: dict[str, Any] = {"purge": "jobs", "by": "ends", "unit": "s"}
    sql = "NOT EXISTS (SELECT 1 FROM holds WHERE job_id = jobs.id)"

    (plan,) = planned(jobs.job(**written, only=sql), jobs.engine)
    (alone,) = planned(jobs.job(**written, only="tries > 1"), jobs.engine)

    assert plan.lock_first
    assert not alone.lock_first
