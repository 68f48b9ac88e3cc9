"""Reading the manual: its pages, their fenced blocks, headings and links, as GitHub understands them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"

_FENCE = re.compile(r"(?P<indent> *)```(?P<language>[\w-]*)\s*")
_TITLE = re.compile(r"# (?P<name>[\w./-]*\.[a-z]+)")
_LINK = re.compile(r"!?\[(?:[^\]`]|`[^`]*`)*\]\((?P<target>[^()\s]+)\)")
_HEADING = re.compile(r"(?P<marks>#{1,6}) (?P<text>.+)")


@dataclass(frozen=True)
class Block:
    """A fenced block. line: of its first line of text in the page, from 1."""

    language: str
    text: str
    line: int

    @property
    def title(self) -> str | None:
        """The file it stands for, where its first line is a comment such as `# jobs.py`."""
        found = _TITLE.fullmatch(self.text.partition("\n")[0])
        return found["name"] if found else None


def pages() -> list[Path]:
    """Every page of the manual, and the files at the root that people read first."""
    return [
        ROOT / "README.md",
        ROOT / "CHANGELOG.md",
        ROOT / "CONTRIBUTING.md",
        ROOT / "SECURITY.md",
        *sorted(path for path in DOCS.rglob("*.md")),
    ]


def name_of(page: Path) -> str:
    """The page's path from the root of the project."""
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path) -> list[Block]:
    """Its fenced blocks, in order."""
    found: list[Block] = []
    start, language, lines = 0, "", list[str]()
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        fence = _FENCE.fullmatch(line)
        if fence is None:
            lines.append(line)
        elif start:
            found.append(Block(language, "\n".join(lines) + "\n", start))
            start = 0
        else:
            start, language, lines = number + 1, fence["language"], []
    assert not start, f"{name_of(page)} line {start}: a fence is not closed"
    return found


def prose(page: Path) -> Iterator[tuple[int, str]]:
    """Line number and text of what stands outside fenced blocks."""
    inside = False
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        if _FENCE.fullmatch(line):
            inside = not inside
        elif not inside:
            yield number, line


def links(page: Path) -> Iterator[tuple[int, str]]:
    """Line number and target of every link and image."""
    for number, line in prose(page):
        for found in _LINK.finditer(re.sub(r"(?<!\[)`[^`]*`", "", line)):
            yield number, found["target"]


def headings(page: Path) -> list[str]:
    """The text of its headings."""
    return [found["text"].strip() for _, line in prose(page) if (found := _HEADING.fullmatch(line))]


def anchors(page: Path) -> set[str]:
    """The anchors that its headings have on GitHub; those that come again are numbered."""
    known: dict[str, int] = {}
    found = set()
    for text in headings(page):
        slug = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
        again = known.get(slug, 0)
        known[slug] = again + 1
        found.add(f"{slug}-{again}" if again else slug)
    return found
