"""Conditions in SQL: forms of the run's time that people write, and errors in the user's own words (REP-25)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sexton.app import App
from sexton.errors import SextonError, UsageError
from sexton.testing import run_job
from tests.support.sessions import NOON

from .shop import Shop


@pytest.fixture
def rows(shop: Shop) -> Shop:
    """Five rows, 1 to 5 days before noon; with their time as epoch seconds, as a naive one, and a time to live."""
    kind = "timestamptz" if shop.engine.name == "postgresql" else "text"
    naive = "timestamp" if shop.engine.name == "postgresql" else "text"
    shop.do(f"CREATE TABLE log (id int PRIMARY KEY, at {kind}, plain {naive}, epoch bigint, word text)")
    for day in range(1, 6):
        instant = f"2026-06-{15 - day:02} 12:00:00"
        zone = "+00" if shop.engine.name == "postgresql" else ""
        seconds = int(NOON.timestamp()) - day * 86_400
        shop.do(f"INSERT INTO log VALUES ({day}, '{instant}{zone}', '{instant}', {seconds}, '  w{day}')")
    return shop


def load_tidy() -> None:
    """Read the settings, and the policy with the database at hand."""
    app = App.load()
    try:
        app.registry.get("tidy").load(app.database)
    finally:
        app.database.dispose()


def left(rows: Shop, only: str, **more: Any) -> list[int]:
    """Which rows stay after a purge with this condition."""
    outcome = run_job(rows.engine, rows.armed(purge="log", only=only, max_share=1.0, **more), at=NOON)
    assert outcome.state == "succeeded"
    return rows.ids("log")


@pytest.mark.databases("sqlite", "postgres15")
@pytest.mark.parametrize(
    ("only", "stay"),
    [
        ("at + interval '3 days' < now()", [1, 2, 3]),
        ("now() > at + interval '3 days'", [1, 2, 3]),
        ("now() - at > interval '3 days'", [1, 2, 3]),
        ("interval '3 days' <= now() - at", [1, 2]),
        ("(at + interval '1 day') <= now() - interval '2 days'", [1, 2]),
        ("at - interval '1 day' > now() - interval '3 days'", [2, 3, 4, 5]),
        ("at BETWEEN now() - interval '3 days' AND now() - interval '2 days'", [1, 4, 5]),
        ("at NOT BETWEEN now() - interval '3 days' AND now() - interval '2 days'", [2, 3]),
        ("now() - interval '2 days' BETWEEN at AND at + interval '1 day'", [1, 4, 5]),
        ("id BETWEEN 2 AND 3", [1, 4, 5]),
        ("id = 1 OR word = 'now'", [2, 3, 4, 5]),
        ("ltrim(word) = 'w1'", [2, 3, 4, 5]),
        ("Length(Trim(word)) = 2 AND id < 3", [3, 4, 5]),
    ],
)
def test_rep_25_the_time_of_the_run_in_forms_that_people_write(only: str, stay: list[int], rows: Shop) -> None:
    assert left(rows, only) == stay


@pytest.mark.databases("sqlite", "postgres15")
@pytest.mark.parametrize("more", [{}, {"by": "at", "keep": "1h"}, {"by": "epoch", "keep": "1h"}], ids=str)
def test_rep_25_unit_says_the_same_with_by_and_without(more: dict[str, Any], rows: Shop) -> None:
    assert left(rows, "epoch < now() - interval '3 days'", unit="s", **more) == [1, 2, 3]


@pytest.mark.databases("postgres15")
@pytest.mark.parametrize(
    ("only", "stay"),
    [
        ("at < 'now'::timestamptz - interval '3 days'", [1, 2, 3]),
        ("plain AT TIME ZONE 'UTC' < now() - interval '3 days'", [1, 2, 3]),
        ("plain AT TIME ZONE 'America/Los_Angeles' < now() - interval '3 days'", [1, 2, 3]),
        ("timezone('UTC', plain) = at AND id < 3", [3, 4, 5]),
        ("plain AT TIME ZONE 'UTC' = at AND id < 3", [3, 4, 5]),
        ("date_trunc('day', plain) = date_trunc('day', at AT TIME ZONE 'UTC') AND id = 1", [2, 3, 4, 5]),
        ("substring(word, 3, 2) = 'w1'", [2, 3, 4, 5]),
        ("greatest(id, 4) = 4", [5]),
    ],
)
def test_rep_25_what_depends_on_its_arguments_alone_is_taken(only: str, stay: list[int], rows: Shop) -> None:
    assert left(rows, only) == stay


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(
    "only", ["glob('*1', word)", "instr(word, 'w1') > 0", "word GLOB '*w1'", "substr(word, 4) = '1'", "hex(id) = '31'"]
)
def test_rep_25_what_the_message_lists_is_taken(only: str, rows: Shop) -> None:
    if " GLOB " in only:
        with pytest.raises(UsageError, match=r"word GLOB '\*w1' cannot stand"):
            left(rows, only)
    else:
        assert left(rows, only) == [2, 3, 4, 5]


WORDS = [
    ("to_timestamp(epoch) < at", "to_timestamp() "),
    ("Date_Trunc('day', at) < at", "date_trunc() "),
    ("to_char(at, 'YYYY') = '2026'", "to_char() "),
    ("clock_timestamp() > at", "clock_timestamp(): write now(), which is the time of the run"),
    ("at > 'tomorrow'::date", "write now(), or CURRENT_DATE"),
    ("at + interval '1 month' < now()", "months go with now(), column < now() - interval '1 month'"),
    ("nosuch(id) = 1", "nosuch() "),
    ("at < now() - word", "now() stands alone on one side of a comparison"),
    ("wrod = 'x'", "wrod"),
]


@pytest.mark.databases("sqlite", "postgres15")
@pytest.mark.parametrize(("only", "words"), WORDS, ids=[only for only, _ in WORDS])
def test_rep_25_errors_are_in_the_words_of_the_user_with_file_and_line(
    only: str, words: str, rows: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("sexton.toml").write_text(
        f'database = "{rows.database}"\n\n[policies.tidy]\npurge = "log"\nby = "at"\nkeep = "1d"\n'
        f'# only: what is meant\nonly = """{only}"""\n'
    )

    with pytest.raises(SextonError) as refused:
        load_tidy()

    said = str(refused.value)
    assert said.startswith("sexton.toml line 8: policies.tidy.only: ")
    assert words in said
    for name in ("UNIX_TO_TIME", "unix_to_time", "TIMESTAMP_TRUNC", "timestamp_trunc", "TIME_TO_STR", "time_to_str"):
        assert name not in said


FORMS = {
    'purge = "log"\nby = "at"\nkeep = "1d"\nonly.wrod = "x"\n': "4: policies.tidy.only: ",
    'purge = "log"\nby = "at"\nkeep = "1d"\nonly = {id = 1, wrod = "x"}\n': "4: policies.tidy.only: ",
    'purge = "log"\nby = "at"\nkeep = "1d"\n[policies.tidy.only]\n# wrod\nid = "x"\n': "6: policies.tidy.only.id: ",
    'purge = "log"\nby = "at"\nkeep = "1d"\nkeeep = "1d"\n': "4: policies.tidy.keeep: unknown key; did you mean keep",
    'purge = "log"\nby = "at"\nkeep = "1 dayz"\n': "3: policies.tidy.keep: ",
    'purge = "nowhere"\nby = "at"\nkeep = "1d"\n': "0: policies.tidy: ",
    'purge = "log"\nby = "wrod"\nkeep = "1d"\n': "0: policies.tidy: ",
    'purge = "log"\nby = "at"\nkeep = "1d"\nbefore = "other"\n': "4: policies.tidy.before: there is no other policy",
}


@pytest.mark.databases("sqlite", "postgres15")
@pytest.mark.parametrize("written", FORMS, ids=list(FORMS.values()))
def test_rep_25_errors_of_policies_name_file_and_line_however_they_are_written(
    written: str, rows: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("sexton.toml").write_text(f'database = "{rows.database}"\n\n[policies.tidy]\n{written}')
    number, _, words = FORMS[written].partition(":")

    with pytest.raises(SextonError) as refused:
        load_tidy()

    assert str(refused.value).startswith(f"sexton.toml line {3 + int(number)}:{words}")
