"""Every page: links lead somewhere, examples are Python and TOML that work, messages are those of the code."""

from __future__ import annotations

import ast
import re
import tomllib
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from sexton.cli.main import COMMANDS
from sexton.config import load, read_into
from sexton.jobs.schedule import cron
from sexton.packs.invoicing.options import InvoicingOptions
from sexton.packs.ledger.options import LedgerOptions
from sexton.packs.marketplace.options import Options
from sexton.packs.storefront.options import StorefrontOptions

from .pages import DOCS, ROOT, Block, anchors, blocks, headings, links, name_of, pages, prose
from .walkthrough import steps

of_each_page = pytest.mark.parametrize("page", pages(), ids=name_of)
LONGEST_LINE = 120
OPTIONS = {
    "marketplace": Options,
    "storefront": StorefrontOptions,
    "invoicing": InvoicingOptions,
    "ledger": LedgerOptions,
}

FROM_ELSEWHERE = """
no such table: does not exist
no pack named no job named minute must be 0 to 59 must be a duration in quotes, not a whole number
"""
"""Messages of the databases, and those that the code puts together from parts."""


@of_each_page
def test_every_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    broken = [f"line {line}: {target}" for line, target in links(page) if not leads_somewhere(page, target)]
    assert broken == []


def leads_somewhere(page: Path, target: str) -> bool:
    """Whether a link of the page is to be followed: outside, or to a file of ours and a heading in it."""
    if re.match(r"https?://", target):
        return True
    path, _, anchor = target.partition("#")
    found = (page.parent / path).resolve() if path else page
    if not found.exists() or not found.is_relative_to(ROOT):
        return False
    return not anchor or anchor in anchors(found)


def test_links_that_lead_nowhere_are_found(tmp_path: Path) -> None:
    page = DOCS / "index.md"
    assert leads_somewhere(page, "reference/tables.md#runs")
    assert not leads_somewhere(page, "reference/tables.md#walks")
    assert not leads_somewhere(page, "reference/none.md")
    assert not leads_somewhere(page, f"{tmp_path}/x.md")


def test_every_page_can_be_reached_from_the_first() -> None:
    reached, waiting = set[Path](), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in reached:
            continue
        reached.add(page)
        targets = [(page.parent / target.partition("#")[0]).resolve() for _, target in links(page) if ":" not in target]
        waiting += [target for target in targets if target.suffix == ".md" and target.is_relative_to(DOCS)]
    assert set(DOCS.rglob("*.md")) - reached == set()


@of_each_page
def test_every_python_example_is_python(page: Path) -> None:
    for block in blocks(page):
        if block.language == "python":
            ast.parse(block.text, filename=f"{name_of(page)} line {block.line}")


@of_each_page
def test_every_example_of_settings_is_accepted(page: Path, tmp_path: Path) -> None:
    for block in blocks(page):
        if block.language == "toml":
            (tmp_path / "sexton.toml").write_text(block.text)
            settings = load(tmp_path / "sexton.toml", environ={})
            for name, options in settings.pack.items():
                read_into(OPTIONS[name], options, where=name)


@of_each_page
def test_every_command_that_is_shown_exists(page: Path) -> None:
    shown = [line for block in blocks(page) for line in commands(block)]
    for line in shown:
        words = re.search(r"(?:^|&& |/)sexton (?P<name>\S+)", line)
        if words and not words["name"].startswith("-"):
            assert words["name"] in COMMANDS, line


def commands(block: Block) -> list[str]:
    if block.language == "console":
        return [step.command for step in steps(block)]
    return block.text.splitlines() if block.language == "sh" else []


@pytest.mark.parametrize("page", [page for page in pages() if page.parent.name != "reference"], ids=name_of)
def test_lines_are_short_enough_to_read_as_text(page: Path) -> None:
    long = [number for number, line in prose(page) if len(line) > LONGEST_LINE and not line.startswith("|")]
    assert long == []


@pytest.mark.parametrize("page", [page for page in pages() if page.name != "CHANGELOG.md"], ids=name_of)
def test_headings_are_told_apart(page: Path) -> None:
    found = headings(page)
    assert len(found) == len(set(found))
    assert sum(line.startswith("# ") for _, line in prose(page)) == 1


def test_messages_in_troubleshooting_are_those_of_the_code() -> None:
    """Each first cell quotes the code; what stands between two … must be somewhere in it."""
    source = "".join(path.read_text() for path in sorted((ROOT / "src").rglob("*.py")))
    source = re.sub(r'"\s*\n\s*f?"', "", source).replace('\\"', '"') + FROM_ELSEWHERE
    for line, cells in rows_of(DOCS / "how-to" / "troubleshooting.md"):
        for quoted in re.findall(r"`([^`]+)`", cells[0]):
            for part in re.split(r"…|; did you mean|\?$", quoted):
                assert part.strip(" :;,") in source, f"line {line}: {part!r} is not in the code"


def rows_of(page: Path) -> list[tuple[int, list[str]]]:
    """Rows of its tables, without headings."""
    rows = [(number, line) for number, line in prose(page) if line.startswith("| ")]
    return [(number, [cell.strip() for cell in line.strip("|").split(" | ")]) for number, line in rows]


def test_the_table_of_clock_changes_is_what_schedules_do() -> None:
    rows = [cells for _, cells in rows_of(DOCS / "explanation" / "clock-changes.md") if "/" in cells[0]]
    assert len(rows) == 20
    for zone, day, direction, time, local, utc, hourly, quarters in rows:
        rules, hour, minute = ZoneInfo(zone), time[:2], time[3:]
        (slot,) = slots_of_day(f"{minute} {hour} * * *", zone, day)
        assert (slot.astimezone(rules).strftime("%H:%M %z"), slot.strftime("%H:%M")) == (local, utc)
        assert len(slots_of_day("0 * * * *", zone, day)) == int(hourly)
        assert len(slots_of_day("*/15 * * * *", zone, day)) == int(quarters)
        assert direction == ("forward" if int(quarters) < 96 else "back")


def slots_of_day(expression: str, zone: str, day: str) -> list[datetime]:
    rules, first = ZoneInfo(zone), datetime.fromisoformat(day)
    start, end = (moment.replace(tzinfo=rules) for moment in (first, first + timedelta(days=1)))
    tick = timedelta(microseconds=1)
    return list(cron(expression, zone).between(start - tick, end - tick))


def test_the_decision_on_concurrency_has_the_parts_that_its_ticket_asks_for() -> None:
    """PF-141.1 to PF-141.3"""
    page = DOCS / "explanation" / "concurrency.md"
    assert headings(page)[1:] == [
        "Model",
        "Rationale: present and future scale",
        "Risks and mitigations",
        "Load per job",
    ]


def test_every_promise_of_the_readme_is_explained_and_has_its_proof() -> None:
    explained = [text for text in headings(DOCS / "explanation" / "promises.md") if re.match(r"\d+\. ", text)]
    rows = [cells for _, cells in rows_of(ROOT / "README.md") if cells[0].isdigit()]
    assert [int(cells[0]) for cells in rows] == [int(text.partition(".")[0]) for text in explained] == [*range(1, 13)]
    for number, _, proof in rows:
        proven = re.findall(r"\]\((tests/[^)]+)\)", proof)
        assert proven or "still missing" in proof, f"promise {number} has no test, and does not say so"
        for path in proven:
            files = [ROOT / path] if path.endswith(".py") else (ROOT / path).rglob("test_*.py")
            assert any("def test_" in file.read_text() for file in files), path


def test_no_page_names_a_machine() -> None:
    for page in pages():
        text = page.read_text()
        assert not re.search(r"/(home|Users|root|work)/\w", text), name_of(page)


def test_the_settings_of_the_first_lines_are_valid_toml() -> None:
    blocks_of_settings = [block for page in pages() for block in blocks(page) if block.language == "toml"]
    assert len(blocks_of_settings) >= 4
    for block in blocks_of_settings:
        tomllib.loads(block.text)
