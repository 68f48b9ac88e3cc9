"""X2: what a row holds stays in its row: no error text carries it into history, poison, logs or output."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import Column, Engine, Text, literal_column, select, text

from sexton import Job, Transition
from sexton.db.tables import own_tables
from sexton.telemetry import logs
from sexton.testing import run_job
from tests.support.sessions import NOON, make_sessions

CANARY = "qXcanaryX7"
HOUR = timedelta(hours=1)


def test_x2_a_refused_row_is_listed_by_key_and_constraint_only(engine: Engine) -> None:
    shop = make_sessions(engine, [Column("mail", Text, unique=True)])
    shop.one(1, NOON - HOUR, mail=f"{CANARY}@example.com")
    shop.one(2, NOON - HOUR, mail="other")
    columns = shop.table.c
    work = Transition(
        shop.table, {"mail": "other"}, only=columns.mail != "other", by=columns.expires_at, kind="deadline"
    )

    told = everything(engine, Job("shop.merge", work=work))

    assert CANARY not in told
    assert "sessions" in told
    assert "mail" in told


@pytest.mark.databases("postgres")
@pytest.mark.parametrize("constraint", ["CHECK (status <> 'expired')", "EXCLUDE USING btree (status WITH =)"])
def test_x2_the_detail_of_a_violated_constraint_is_not_kept(engine: Engine, constraint: str) -> None:
    shop = make_sessions(engine, [Column("mail", Text)])
    for number in (1, 2):
        shop.one(number, NOON - HOUR, mail=f"{CANARY}@example.com", status=f"{CANARY}{number}")
    execute(engine, f"ALTER TABLE sessions ADD CONSTRAINT keeps_its_secret {constraint}")
    columns = shop.table.c
    work = Transition(
        shop.table, {"status": "expired"}, only=columns.status != "expired", by=columns.expires_at, kind="deadline"
    )

    told = everything(engine, Job("shop.expire", work=work))

    assert "keeps_its_secret" in told
    assert CANARY not in told


CASTS = [
    (
        "CAST(CAST(mail AS integer) AS text)",
        [CANARY, f'"{CANARY}"', f'a "{CANARY}" b', f"{CANARY}\nsecond", f'x"{CANARY}'],
    ),
    ("CAST(CAST(mail AS integer) AS text)", ["99999" + "712345678901"]),
    ("CAST(CAST(mail AS numeric(3)) AS text)", ["712345678901"]),
    ("CAST(CAST(mail AS timestamptz) AS text)", [f"2026-99-99 {CANARY}", f"{CANARY}"]),
    ("CAST(CAST(mail AS uuid) AS text)", [CANARY]),
    ("CAST(CAST(mail AS json) AS text)", [f"{{{CANARY}"]),
    ("CAST(CAST(mail AS inet) AS text)", [CANARY]),
    ("CAST(CAST(mail AS date) + interval '9999999 years' AS text)", ["2026-01-01"]),
]
SECRETS = (CANARY, "712345678901", "2026-01-01")


@pytest.mark.databases("postgres")
@pytest.mark.parametrize(
    ("expression", "value"),
    [(expression, value) for expression, values in CASTS for value in values],
)
def test_x2_a_value_that_cannot_be_converted_is_not_quoted(engine: Engine, expression: str, value: str) -> None:
    """PostgreSQL puts such values into the message itself, not only into its detail."""
    shop = make_sessions(engine, [Column("mail", Text)])
    shop.one(1, NOON - HOUR, mail=value)
    columns = shop.table.c
    made = literal_column(expression, Text)
    work = Transition(
        shop.table, {"status": made}, only=columns.status == "open", by=columns.expires_at, kind="deadline"
    )

    told = everything(engine, Job("shop.convert", work=work))

    assert "set aside" in told
    for secret in SECRETS:
        assert secret not in told.replace(NOON.isoformat(), "")


@pytest.mark.databases("postgres")
def test_x2_a_date_that_python_cannot_read_is_not_quoted(engine: Engine) -> None:
    shop = make_sessions(engine)
    for number, year in ((1, "0044"), (2, "0045")):
        execute(engine, f"INSERT INTO sessions VALUES ({number}, 'open', '{year}-03-15 BC', now())")

    told = everything(engine, shop.expire())

    assert "0044-03-15" not in told
    assert "0045-03-15" not in told


def everything(engine: Engine, job: Job) -> str:
    """All that is kept and said about a run of `job`."""
    run = run_job(engine, job, at=NOON)
    own = own_tables(engine.dialect.name)
    with engine.connect() as connection:
        kept = [tuple(row) for table in (own.runs, own.poison) for row in connection.execute(select(table))]
    return f"{run} {logs.ended(run, 0.1)} {kept}"


def execute(engine: Engine, sql: str) -> None:
    with engine.begin() as connection:
        connection.execute(text(sql))
