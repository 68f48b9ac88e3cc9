"""Fault C5: all that is wrong is told at once, a line each, with file, line and key; in policies, too."""

from __future__ import annotations

import pytest

from sexton.config import load_placed
from sexton.declared.policy_tables import policies_of
from sexton.errors import SettingsError

from .conftest import Place

POLICY = '[policies.tidy]\npurge = "sessions"\n'


def faults(place: Place, toml: str, env: str | None = None, **environ: str) -> list[str]:
    """The lines that are told about these files."""
    with pytest.raises(SettingsError) as caught:
        place.read(toml, env, **environ)
    return list(caught.value.lines)


def test_c5_every_fault_of_every_place_is_told_at_once(place: Place) -> None:
    toml = """
timezon = "UTC"
packs = ["a", "A b", "a", 5]
[run]
lease = 5
batch_rows = 0
[job."a.b"]
timeout = "4 parsecs"
[job."c.d"]
priorty = 1
[policies.tidy]
purge = "sessions"
by = 1
kep = "90d"
[policies.other]
by = "at"
"""
    told = faults(place, toml, "SEXTON_STAGER=true\nSEXTON_WORKER__WATCH=5\n", SEXTON_WEB__HOST="a")
    starts = [
        ".env line 1: SEXTON_STAGER: unknown setting; did you mean SEXTON_STAGGER",
        "environment: SEXTON_WEB__HOST: unknown setting; did you mean SEXTON_WEB__HOSTS",
        "sexton.toml line 2: timezon: unknown key; did you mean timezone",
        "sexton.toml line 3: packs: item 2: ",
        "sexton.toml line 3: packs: item 3 stands in the list twice; keep one of them",
        "sexton.toml line 3: packs: item 4: must be a pack's name in quotes, not a whole number",
        "sexton.toml line 5: run.lease: must be a duration in quotes, not a whole number",
        "sexton.toml line 6: run.batch_rows: 0 is out of range; write a number from 1 to 100000",
        'sexton.toml line 8: job."a.b".timeout: ',
        'sexton.toml line 10: job."c.d".priorty: unknown key; did you mean priority',
        ".env line 2: SEXTON_WORKER__WATCH: '5' is not a duration (the unit is missing)",
        "sexton.toml line 13: policies.tidy.by: must be text in quotes, not a whole number",
        "sexton.toml line 14: policies.tidy.kep: unknown key; did you mean keep",
        "sexton.toml line 15: policies.other: exactly one of purge, archive, transition, anonymise, warn names the",
    ]
    assert [line[: len(start)] for line, start in zip(told, starts, strict=True)] == starts


def test_c5_several_groups_that_do_not_fit_are_told_at_once(place: Place) -> None:
    told = faults(place, '[run]\nlease = "4s"\n[alerts]\nslow_factor = 1.1\n')
    assert [line.partition(" ")[2].partition(":")[0] for line in told] == ["line 1", "line 4"]
    assert "alerts.slow_factor: slow_factor 1.1 must be at least 1.5" in told[1]


def test_c5_a_file_that_is_no_toml_hides_no_fault_of_the_others(place: Place) -> None:
    told = faults(place, "[run\n", "SEXTON_STAGER=true\n", SEXTON_RUN__LEASE="5")
    starts = ["sexton.toml line 1: ", ".env line 1: SEXTON_STAGER: ", "environment: SEXTON_RUN__LEASE: "]
    assert [line[: len(start)] for line, start in zip(told, starts, strict=True)] == starts


IN_POLICIES = [
    (f'{POLICY}by = "at"\nkeep = "9"', 4, "tidy.keep"),
    (f'{POLICY}by = "at"\nlimit = 0', 4, "tidy.limit"),
    (f'{POLICY}by = "at"\nonly = 5', 4, "tidy.only"),
    (f'{POLICY}by = "at"\nkind = "death"', 4, "tidy.kind"),
    (f'{POLICY}by = "at"\nset = {{a = 1}}', 4, "tidy.set"),
    (f'{POLICY}by = "at"\nbefore = "tidi"', 4, "tidy.before"),
    (f'{POLICY}by = "at"\nper = [\n  "a",\n  "a",\n]', 4, "tidy.per"),
    (f'{POLICY}by = "at"\n[policies.tidy.children]\nitems = {{colum = "id"}}', 5, "tidy.children.items.colum"),
    (f'{POLICY}by = "at"\n[policies.tidy.children.items]\ncolum = "id"', 5, "tidy.children.items.colum"),
    (f'{POLICY}by = "at"\n[policies.tidy.children]\nitems = 5', 5, "tidy.children.items"),
    (f'{POLICY}by = "at"\n[policies.tidy.unless_referenced_by]\nitems = 5', 5, "tidy.unless_referenced_by.items"),
    (f'{POLICY}by = "at"\n[policies.tidy.zone_parent]\nshops = "id"', 4, "tidy.zone_parent"),
    (POLICY, 1, "tidy"),
    (f'[web]\n\n{POLICY}by = "at"\n"bye" = 1', 6, "tidy.bye"),
    ('[policies]\ntidy = {purge = "sessions", by = 5}', 2, "tidy.by"),
    ('policies.tidy.purge = "sessions"\npolicies.tidy.by = 5', 2, "tidy.by"),
    ('[policies."Tidy"]\npurge = "sessions"', 1, "Tidy"),
    (f'{POLICY}by = "at"\n"b\\u0079e" = 1', 4, "tidy.bye"),
    (f'{POLICY}by = "at"\r\n\r\nlimit = 0'.replace("\r\n", "\n").replace("\n", "\r\n"), 5, "tidy.limit"),
]


@pytest.mark.parametrize(("toml", "line", "key"), IN_POLICIES)
def test_c5_a_fault_in_a_policy_names_its_line(place: Place, toml: str, line: int, key: str) -> None:
    place.read(toml.encode())
    loaded = load_placed(environ={})
    _, wrong = policies_of(loaded.settings.policies, loaded.place)
    told = [text for error in wrong.values() for text in error.lines]
    assert [text.partition(": ")[0] for text in told] == [f"sexton.toml line {line}"]
    assert told[0].split(": ")[1] == f"policies.{key}"


def test_c5_every_fault_of_a_policy_is_told(place: Place) -> None:
    place.read(f'{POLICY}by = 5\nkeep = "9"\nlimit = 0\n')
    loaded = load_placed(environ={})
    _, wrong = policies_of(loaded.settings.policies, loaded.place)
    assert [text.partition(": ")[0] for text in wrong["tidy"].lines] == [f"sexton.toml line {n}" for n in (3, 4, 5)]


def test_c5_keys_of_other_kinds_hide_no_other_fault_of_a_policy(place: Place) -> None:
    place.read(f'{POLICY}by = "at"\nset = {{a = 1}}\nahead = "2d"\nkeep = "9"\nbye = 1\n')
    loaded = load_placed(environ={})
    _, wrong = policies_of(loaded.settings.policies, loaded.place)
    assert sorted(text.split(": ")[1] for text in wrong["tidy"].lines) == [
        f"policies.tidy.{key}" for key in ("ahead", "bye", "keep", "set")
    ]
