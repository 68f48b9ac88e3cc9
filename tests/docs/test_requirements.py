"""The key to ids of requirements: each id has a sentence, a place where it is kept and a test, and all of it exists."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

import pytest
from docs.making import ids
from docs.making.requirements import Requirement, kept_in, origins, python_files, shown_by

from .pages import DOCS, ROOT, name_of, pages, prose

KEY = DOCS / "requirements.md"
ROWS = [row for origin in origins() for row in origin.requirements.values()]
EVERYWHERE = {row.id for row in ROWS if row.inside == "tests"}
OF_BENCHMARKS = {row.id for row in ROWS if row.inside == "benchmarks"}
MISSING = "write its sentence into docs/making/sentences, or leave the id out"


def used() -> dict[str, set[str]]:
    """Each id of the source, the tests, the Makefile and what people read, and the files that have it."""
    found: dict[str, set[str]] = {}
    for path in (*python_files("src"), *python_files("tests")):
        if path != Path(__file__):
            for one in ids.mentions(path).anywhere:
                found.setdefault(one, set()).add(name_of(path))
    for path in (ROOT / "Makefile", *(page for page in pages() if page != KEY)):
        for one in ids.tickets(path.read_text(encoding="utf-8")):
            found.setdefault(one, set()).add(name_of(path))
    return found


def test_each_id_that_is_used_has_a_sentence() -> None:
    assert {one: files for one, files in used().items() if one not in EVERYWHERE} == {}, MISSING


def test_each_sentence_is_of_an_id_that_is_used() -> None:
    assert EVERYWHERE - set(used()) == set()


def test_the_ids_of_benchmarks_have_sentences_of_their_own() -> None:
    assert {one for path in python_files("benchmarks") for one in ids.mentions(path).anywhere} == OF_BENCHMARKS, MISSING


def test_letters_on_pages_of_the_manual_have_sentences_too() -> None:
    found = {one for page in pages() if page != KEY for _, line in prose(page) for one in ids.ids(line)}
    assert found - EVERYWHERE - OF_BENCHMARKS == set(), MISSING


def test_an_id_stands_for_one_thing() -> None:
    assert len(EVERYWHERE) + len(OF_BENCHMARKS) == len(ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.inside}-{row.id}")
def test_a_requirement_is_one_sentence_that_is_kept_and_tested_somewhere(row: Requirement) -> None:
    assert re.fullmatch(r"[A-Z`][^.]*(?:\.\w[^.]*)*\.", row.must), "one sentence, with its full stop"
    assert kept_in(row), 'no module and no page names it: say where it is kept, kept = ["end.of.its.name"]'
    assert shown_by(row), "no test has it in its name or docstring"


def test_modules_pages_and_tests_of_the_key_exist() -> None:
    """As the page has them, whoever made it."""
    shown = [line.split(" | ") for line in KEY.read_text(encoding="utf-8").splitlines() if re.match(r"\| [A-Z]", line)]
    assert [cells[0].removeprefix("| ") for cells in shown] == [row.id for row in ROWS]
    for row, cells in zip(ROWS, shown, strict=True):
        for place in re.findall(r"`([^`]+)`", cells[2]):
            assert (ROOT / place).exists() or find_spec(f"sexton.{place}"), place
        for test in re.findall(r"`([^`]+)`", cells[3]):
            file, _, name = test.partition("::")
            said = ids.mentions(ROOT / file)
            assert row.id in (said.tests[name] if name else said.whole.union(*said.tests.values())), test


def test_a_place_that_is_not_there_or_could_be_several_is_refused() -> None:
    assert kept_in(Requirement("X0", "…", ("db.effect_keys",), "benchmarks")) == ["db.effect_keys"]
    with pytest.raises(LookupError, match="'nowhere' is the end of 0 modules: none"):
        kept_in(Requirement("X0", "…", ("nowhere",)))
    with pytest.raises(LookupError, match=r"'history' is the end of 2 modules: cli\.history, "):
        kept_in(Requirement("X0", "…", ("history",)))


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("test_pf_136_7_p12_no_job_takes_it_down", {"PF-136.7", "P12"}),
        ("test_bj_26_two_failures", {"BJ-26"}),
        ("test_bj_24_1_every_slot", {"BJ-24.1"}),
        ("test_sec_2_attack", {"SEC-2"}),
        ("test_t5_2_t1_7_before_they_end", {"T5.2", "T1.7"}),
        ("test_ora_mon_1_tells", {"ORA-MON.1"}),
        ("test_m7_m8_c5_what_cannot_be", {"M7", "M8", "C5"}),
        ("test_t1_2_t1_3_with_the_server", {"T1.2", "T1.3"}),
        ("test_t7_new_rules", {"T7"}),
        ("test_sec_is_a_word", set()),
        ("test_a_row_of_p1_goes", set()),
    ],
)
def test_ids_begin_the_name_of_a_test(name: str, found: set[str]) -> None:
    assert ids.ids_of_test(name) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("deleted (PF-137.5, PF-137.6).", {"PF-137.5", "PF-137.6"}),
        ("T1.2 to T1.4 are of a ticket, T1 is a fault.", {"T1.2", "T1.3", "T1.4", "T1"}),
        ("PF-137.1 to PF-137.3", {"PF-137.1", "PF-137.2", "PF-137.3"}),
        ("L9 to L12 and T2 for leases", {"L9", "L10", "L11", "L12", "T2"}),
        ("T2.1 to T2.3 of a ticket, T2 of a clock", {"T2.1", "T2.2", "T2.3", "T2"}),
        ("of UTF8, X123, GMT-14, PF-XXX and ISO-8601 nothing", set()),
    ],
)
def test_ids_in_prose(text: str, found: set[str]) -> None:
    assert ids.ids(text) == found


def test_letters_are_ids_in_comments_and_docstrings_and_data_elsewhere(tmp_path: Path) -> None:
    file = tmp_path / "test_things.py"
    file.write_text(
        '"""A module (P1)."""\n\nLIMIT = 1\n"""Below a constant (P2)."""\nNOTE = "P3 (SEC-1)"  # P4\n\n\n'
        'class TestIt:\n    """P5"""\n\n    def test_p6_it(self) -> None:\n        """P7: of the class as well."""\n'
    )
    said = ids.mentions(file)
    assert said.anywhere == {"P1", "P2", "SEC-1", "P4", "P5", "P6", "P7"}
    assert said.whole == {"P1"}
    assert said.tests == {"test_p6_it": {"P5", "P6", "P7"}}
