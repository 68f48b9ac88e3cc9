"""Rooms, the folders and files of the package: the import contract, the pages and the drawing name the same ones."""

from __future__ import annotations

import re
import tomllib
from collections import defaultdict
from xml.etree import ElementTree

from sexton.db.tables import own_tables

from .pages import DOCS, ROOT

HOUSE = ROOT / "src" / "sexton"
PAGE = (DOCS / "explanation" / "architecture.md").read_text(encoding="utf-8")
ABOVE_ALL = {"__init__", "__main__"}
"""Doors to the rooms, and no rooms."""


def layers() -> list[list[str]]:
    """The layers of the import contract, the highest first."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (contract,) = project["tool"]["importlinter"]["contracts"]
    return [re.findall(r"\w+", layer) for layer in contract["layers"]]


def section(title: str) -> str:
    """The text below a heading of the page."""
    return PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]


def in_bold(text: str) -> set[str]:
    """Names in bold letters."""
    return set(re.findall(r"\*\*(\w+)\*\*", text))


def test_the_contract_has_every_room() -> None:
    folders = {path.parent.name for path in HOUSE.glob("*/__init__.py")}
    files = {path.stem for path in HOUSE.glob("*.py")} - ABOVE_ALL
    assert {name for layer in layers() for name in layer} == folders | files


def test_the_page_says_what_each_room_is_for_and_names_no_other() -> None:
    rooms = {name for layer in layers() for name in layer}
    assert in_bold(section("Layers")) == rooms
    assert in_bold(section("The way of one slot through the house")) <= rooms


def test_the_page_names_them_from_the_bottom_to_the_top() -> None:
    level = {name: number for number, layer in enumerate(reversed(layers())) for name in layer}
    named = [level[name] for name in re.findall(r"\*\*(\w+)\*\*", section("Layers"))]
    assert named == sorted(named)


def test_the_drawing_has_the_layers_of_the_contract() -> None:
    rows: dict[float, list[str]] = defaultdict(list)
    drawing = ElementTree.parse(DOCS / "images" / "layers.svg")
    for element in drawing.iter("{http://www.w3.org/2000/svg}text"):
        if element.get("font-weight") == "600":
            rows[float(element.get("y", 0))].append(element.text or "")
    assert [sorted(rows[y]) for y in sorted(rows)] == [sorted(layer) for layer in layers()]


def test_contributors_read_the_layers_of_the_contract() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    block = text.split("## Where things go")[1].split("```")[1]
    assert [sorted(re.findall(r"\w+", line)) for line in block.strip().splitlines()] == list(map(sorted, layers()))


def test_the_page_names_every_table_of_ours() -> None:
    tables = {table.name for table in own_tables("postgresql").metadata.tables.values()}
    assert set(re.findall(r"`(\w+)`", section("What the database holds"))) == tables


def test_the_glossary_is_in_order_and_says_each_word_once() -> None:
    rows = re.findall(r"^\| \*\*(.+?)\*\* \| (.+) \| (.+) \|$", (DOCS / "glossary.md").read_text("utf-8"), re.MULTILINE)
    words = [row[0].lower() for row in rows]
    assert words == sorted(set(words))
    assert len(words) > 50
