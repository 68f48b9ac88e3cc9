"""Fault C5: a key that is unknown, misspelt, given twice or of the wrong type never means the default."""

from __future__ import annotations

import pytest

from .conftest import Place

JOB = 'job."marketplace.expire_orders"'

KEYS = [
    ('databse = "sqlite:///x.db"', 1, "databse: unknown key; did you mean database, fleet.databases?"),
    ('timzone = "UTC"', 1, "timzone: unknown key; did you mean timezone"),
    ('[run]\nleese = "10s"', 2, "run.leese: unknown key; did you mean lease?"),
    ('lease = "10s"', 1, "lease: unknown key; did you mean run.lease, fleet, alerts?"),
    ('run.leese = "10s"', 1, "run.leese: unknown key; did you mean lease?"),
    ('[retentions]\nruns = "9d"', 1, "retentions: unknown key; did you mean retention"),
    (f'[{JOB}]\ntimeut = "5m"', 2, f"{JOB}.timeut: unknown key; did you mean timeout, timezone?"),
    ('"" = 1', 1, '"": unknown key'),
    ('"a\\nb" = 1', 1, '"a\\u000ab": unknown key'),
    (
        "[job.marketplace.expire_orders]\ntimeout = '5m'",
        1,
        f"job.marketplace.expire_orders: a name with a dot stands in quotes; write [{JOB}]",
    ),
]


@pytest.mark.parametrize(("toml", "line", "wrong"), KEYS)
def test_c5_an_unknown_key_is_refused_with_the_nearest(place: Place, toml: str, line: int, wrong: str) -> None:
    message = place.refusal(toml)
    assert message.startswith(f"sexton.toml line {line}: {wrong}")


TYPES = [
    ("database = 5", "database: must be a database URL in quotes, not a whole number"),
    ("timezone = true", "timezone: must be a time zone in quotes, not true or false"),
    ('packs = "ledger"', "packs: must be a list, not text; the options of one pack stand in [pack.NAME]"),
    ("packs = [1]", "packs: item 1: must be a pack's name in quotes, not a whole number"),
    ('packs = ["a", ""]', "packs: item 2: the text is empty; give a value, or leave the setting out"),
    ('packs = ["a", "a"]', "packs: item 2 stands in the list twice; keep one of them"),
    ('packs = ["Ledger!"]', "packs: item 1: 'Ledger!' is not the name of a pack; write for instance"),
    ('jobs = ["shop-jobs"]', "jobs: item 1: 'shop-jobs' is neither a Python module nor a .py file; write"),
    ('[packs.ledger]\na = "b"', "packs: must be a list, not a table; the options of one pack stand in"),
    ('[jobs."a.b"]\ntimeout = "5m"', "jobs: must be a list, not a table; the options of one job stand in"),
    ('pack = ["ledger"]', "pack: must be a table, not a list; write [pack.NAME], or `packs = [...]`"),
    ('job = "a.b"', 'job: must be a table, not text; write [job."NAME"], or `jobs = [...]`'),
    ('run = "fast"', "run: must be a table, not text"),
    ('[job]\n"a.b" = "5m"', 'job."a.b": must be a table, not text'),
    ('[pack]\nledger = "x"', "pack.ledger: must be a table, not text"),
    ('[job."a.b"]\nenabled = "no"', 'job."a.b".enabled: must be true or false, without quotes, not text'),
    ('[job."a.b"]\npriority = true', 'job."a.b".priority: must be a whole number, not true or false'),
    ('[job."a.b"]\ntimeout = "0s"', 'job."a.b".timeout: "0s" is too short; write at least "1s"'),
    ('[job."a.b"]\nschedule = "61 * * * *"', "job.\"a.b\".schedule: cron '61 * * * *': minute '61'"),
    ('[job."a.b"]\nschedule = "* * * * *\\n"', 'job."a.b".schedule: the text holds a control character'),
    ('[job."a.b"]\ntimezone = "Asia"', "job.\"a.b\".timezone: time zone 'Asia' is not in the IANA list"),
    ('timezone = "europe/berlin"', "is not in the IANA list; did you mean Europe/Berlin?"),
    ('timezone = "UTC\\n"', "timezone: the text holds a control character, such as a line feed"),
    (
        f'timezone = "{"x" * 300}"',
        "timezone: this cannot be a time zone: it is too long, or looks like a URL",
    ),
    ('database = "oracle://h/d"', "database: no support for oracle://; known: postgresql, sqlite"),
    ('database = "postgress://h/d"', "database: no support for postgress://; did you mean postgresql?"),
    ('database = "shop.db"', "database: this is not a database URL; write for instance sqlite:///sexton.db"),
]


@pytest.mark.parametrize(("toml", "wrong"), TYPES)
def test_c5_a_wrong_value_is_refused_with_what_would_be_right(place: Place, toml: str, wrong: str) -> None:
    message = place.refusal(toml)
    assert message.startswith("sexton.toml line ")
    assert wrong in message


SYNTAX = [
    ('timezone = "UTC"\ntimezone = "UTC"\n', "line 2: the key timezone is given twice; keep one of them"),
    ("[run]\n[run]\n", "line 2: the key run is given twice; keep one of them"),
    ('packs = []\npacks = [\n  "secret"]\n', "line 3: a key is given twice; keep one of them"),
    ("[run]\nlease = 10s\n", "line 2: Expected newline or end of document after a statement; text stands in"),
    ("timezone = UTC\n", 'line 1: Invalid value; text stands in quotes, as in lease = "10s"'),
    ('timezone = "UTC\n', "line 1: "),
    ('packs = ["a",\n"b"\n', "line 2: Unclosed array"),
    ("timezone\n", "line 1: Expected '=' after a key in a key/value pair"),
]


@pytest.mark.parametrize(("toml", "wrong"), SYNTAX)
def test_c5_a_broken_file_is_refused_with_its_line(place: Place, toml: str, wrong: str) -> None:
    message = place.refusal(toml)
    assert message.startswith(f"sexton.toml {wrong}")
    assert "secret" not in message


def test_c5_monstrous_files_are_refused_in_one_line(place: Place) -> None:
    assert place.refusal("packs = " + "[" * 5000) == "sexton.toml: the lists or tables are nested too deeply"
    assert place.refusal("a = " + "9" * 5000) == "sexton.toml: a number has too many digits"


VARIABLES = [
    ("SEXTON_DATABSE", "unknown setting; did you mean SEXTON_DATABASE"),
    ("SEXTON_RUN_LEASE", "unknown setting; did you mean SEXTON_RUN__LEASE"),
    ("SEXTON_RUN__LEESE", "unknown setting; did you mean SEXTON_RUN__LEASE"),
    ("SEXTON_RUN", "unknown setting"),
    ("SEXTON_", "unknown setting"),
    ("SEXTON_JOB__A__TIMEOUT", "settings of one job are read from sexton.toml only, from [job.NAME]; "),
    ("SEXTON_PACK__LEDGER__X", "settings of one pack are read from sexton.toml only, from [pack.NAME]; "),
]


@pytest.mark.parametrize(("name", "wrong"), VARIABLES)
def test_c5_an_unknown_variable_is_refused_with_the_nearest(place: Place, name: str, wrong: str) -> None:
    assert place.refusal(**{name: "5m"}).startswith(f"environment: {name}: {wrong}")
    assert place.refusal(env=f"\n{name}=5m").startswith(f".env line 2: {name}: {wrong}")


def test_c5_a_wrong_value_is_refused_even_where_a_later_source_replaces_it(place: Place) -> None:
    assert place.refusal("[run]\nbatch_rows = 0", SEXTON_RUN__BATCH_ROWS="5").startswith("sexton.toml line 2: ")


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_c5_the_line_is_that_of_the_key_and_not_of_its_namesakes(place: Place, line_end: str) -> None:
    toml = """# lease = "10s" is the default
packs = [
  "lease",
]
[job.lease]
timeout = "5m"
[run]
lease = "5 parsecs"
"""
    message = place.refusal(toml.replace("\n", line_end))
    assert message.startswith("sexton.toml line 8: run.lease: '5 parsecs' has the unknown unit 'parsecs'")
