"""The key to the ids of requirements: a sentence for each, which people wrote, and its places, which are looked up.

The sentences are in `sentences/`, one file an origin. Where a requirement is kept are the modules that name its id,
and those that its entry names by the end of their name (`kept = ["lease"]`), so that a module may move. Tests are
those that have the id in their name or docstring.
"""

from __future__ import annotations

import textwrap
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from .ids import Mentions, mentions, tickets
from .markdown import code, inline, page, table

ROOT = Path(__file__).resolve().parents[2]
SENTENCES = Path(__file__).with_name("sentences")
ORIGINS = (
    "marketplace",
    "storefront",
    "mail_forwarding",
    "invoicing",
    "ledger",
    "faults",
    "reports",
    "security",
    "benchmarks",
)
"""Files of sentences, in the order of the page."""


@dataclass(frozen=True)
class Requirement:
    """A row. must: what has to hold.  kept: ends of names of modules, or paths from the root, beside what is found.

    inside: the folder whose id it is; the same letters mean something else in `benchmarks` than everywhere else.
    """

    id: str
    must: str
    kept: tuple[str, ...] = ()
    inside: str = "tests"


@dataclass(frozen=True)
class Origin:
    """Requirements that came together."""

    title: str
    about: str
    requirements: Mapping[str, Requirement]


def requirements() -> str:
    """The page."""
    return page("Requirements", "docs/making/sentences", _parts())


def origins() -> list[Origin]:
    """All, in the order of the page. KeyError, TypeError: an entry that says more or less than it should."""
    return [_origin(SENTENCES / f"{name}.toml") for name in ORIGINS]


def kept_in(wanted: Requirement) -> list[str]:
    """Modules without `sexton.`, and paths from the root; where there is none, pages of the manual that name it.

    LookupError: what the entry names is not there, or there are several that end so.
    """
    named = [_place(end) for end in wanted.kept]
    if wanted.inside != "tests":
        return named
    found = [name for name, path in _modules().items() if wanted.id in mentions(path).anywhere]
    return sorted({*named, *found}) or [
        path.relative_to(ROOT).as_posix()
        for path in _manual()
        if wanted.id in tickets(path.read_text(encoding="utf-8"))
    ]


def shown_by(wanted: Requirement) -> list[str]:
    """Files with the id in the docstring of the module, or of several tests; `file::test` where it is one test's."""
    names = "test_*.py" if wanted.inside == "tests" else "*.py"
    files = [path for path in python_files(wanted.inside) if path.match(names)]
    return [place for path in files for place in _tests(wanted.id, path, mentions(path))]


@cache
def python_files(folder: str) -> list[Path]:
    """Below a folder of the root."""
    return sorted((ROOT / folder).rglob("*.py"))


def _origin(file: Path) -> Origin:
    read = tomllib.loads(file.read_text(encoding="utf-8"))
    inside = read.get("inside", "tests")
    rows = {
        name: Requirement(name, inside=inside, **{**entry, "kept": tuple(entry.get("kept", ()))})
        for name, entry in read["ids"].items()
    }
    return Origin(read["title"], read["about"], rows)


def _parts() -> Iterator[str]:
    yield _wrapped(
        "What the ids in code, tests and this manual stand for: a sentence for each, where it is kept, and which tests "
        "show it. Modules stand without `sexton.`. Tests whose names begin with an id run by `pytest -k sec_8_`."
    )
    yield _wrapped(
        "A new id gets its sentence in `docs/making/sentences/`; where it stands is looked up when this page is made. "
        'A module that keeps it without naming it is named there by the end of its name, `kept = ["lease"]`.'
    )
    for origin in origins():
        yield f"## {origin.title}"
        yield _wrapped(origin.about)
        yield table(
            ["id", "what must hold", "kept in", "tested by"],
            map(_row, origin.requirements.values()),
        )


def _wrapped(text: str) -> str:
    return textwrap.fill(text, 120, break_long_words=False, break_on_hyphens=False)


def _row(wanted: Requirement) -> list[str]:
    places = ", ".join(map(_shown, kept_in(wanted)))
    return [wanted.id, inline(wanted.must), places, ", ".join(map(code, shown_by(wanted)))]


def _shown(place: str) -> str:
    below = place.removeprefix("docs/")
    return f"[{below}]({below})" if place.endswith(".md") else code(place)


def _tests(wanted: str, path: Path, said: Mentions) -> Iterator[str]:
    file = path.relative_to(ROOT).as_posix()
    tests = [name for name, found in said.tests.items() if wanted in found]
    if wanted in said.whole or len(tests) > 1:
        yield file
    elif tests:
        yield f"{file}::{tests[0]}"


def _place(end: str) -> str:
    if (ROOT / end).exists():
        return end
    found = [name for name in _modules() if name == end or name.endswith(f".{end}")]
    if len(found) != 1:
        raise LookupError(f"{end!r} is the end of {len(found)} modules: {', '.join(found) or 'none'}")
    return found[0]


@cache
def _modules() -> dict[str, Path]:
    """Name without `sexton.` -> file; a package is its folder."""
    source = ROOT / "src" / "sexton"
    paths = {path.relative_to(source).with_suffix("").parts: path for path in source.rglob("*.py")}
    return {".".join(parts).removesuffix(".__init__"): path for parts, path in sorted(paths.items()) if parts}


@cache
def _manual() -> list[Path]:
    """Pages that people wrote."""
    folders = ("tutorial", "how-to", "explanation")
    return sorted(path for folder in folders for path in (ROOT / "docs" / folder).rglob("*.md"))
