"""The fonts that the pack `invoicing` brings: letters of the names that stand on invoices, and their licence."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from fontTools.ttLib import TTFont
from fpdf import FPDF

from tests.support.require import program

FONTS = Path(__file__).parents[2] / "src" / "sexton" / "packs" / "invoicing" / "fonts"
LETTERS = "אבגדהוזחטיכלמנסעפצקרשתךםןףץ״׳שָׁ₪€ ABCxyz éñß0123456789 .,-–:/()%№ Жя Ωλ عربي"
NAME = 'לכבוד: יוסי כהן ושות׳ בע"מ (ACME Ltd. 42)'

of_each_font = pytest.mark.parametrize("name", ["DejaVuSans.ttf", "DejaVuSans-Bold.ttf"])


@of_each_font
def test_every_letter_is_there_and_the_file_is_small(name: str) -> None:
    with TTFont(FONTS / name) as font:
        there = font.getBestCmap()
        may_be_embedded = font["OS/2"].fsType == 0
    assert [letter for letter in LETTERS if ord(letter) not in there] == []
    assert may_be_embedded
    assert (FONTS / name).stat().st_size < 250_000


def test_the_licence_is_there_and_allows_to_hand_them_on() -> None:
    text = (FONTS / "LICENSE.txt").read_text(encoding="utf-8")
    assert "to reproduce and distribute" in text
    assert "Copyright (c) 2003 by Bitstream" in text
    assert "Tavmjong Bah" in text


@of_each_font
def test_hebrew_goes_from_right_to_left_and_latin_in_it_from_left_to_right(name: str, tmp_path: Path) -> None:
    """In the picture of the page: where each word stands, and that the bracket at the left end opens to the right."""
    file = tmp_path / "page.pdf"
    page = FPDF(format="A4")
    page.add_page()
    page.add_font("invoice", fname=FONTS / name)
    page.set_font("invoice", size=16)
    page.set_text_shaping(True)
    page.cell(0, 12, NAME, align="R")
    page.output(str(file))

    words = places(file)
    assert words["לכבוד:"] > words["יוסי"] > words["כהן"] > words["42"] > words["Ltd."] > words["ACME"]
    ink = dark_rows(file)
    edge = min(map(min, ink)) + 5 / 595
    sign = [min(row) for row in ink if min(row) < edge]
    assert sign[len(sign) // 2] < min(sign[0], sign[-1]), "the leftmost sign bulges to the left"
    assert max(map(max, ink)) > 0.9, "the line begins at the right margin"


def places(file: Path) -> dict[str, float]:
    """Word without brackets -> where it begins at its left, in points. Hebrew is given in the order of the picture."""
    command = [program("pdftotext"), "-bbox", str(file), "-"]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = {}
    for left, word in re.findall(r'<word xMin="([\d.]+)".*>(.*)</word>', text):
        hebrew = any("א" <= letter <= "ת" for letter in word)
        found[(word[::-1] if hebrew else word).strip("()")] = float(left)
    return found


def dark_rows(file: Path) -> list[list[float]]:
    """Rows of the page's picture that have ink: where, as parts of its width from the left."""
    command = [program("pdftoppm"), "-gray", "-r", "144", str(file)]
    picture = subprocess.run(command, check=True, capture_output=True).stdout
    _, size, _, pixels = picture.split(b"\n", 3)
    width, height = map(int, size.split())
    rows = [pixels[y * width : (y + 1) * width] for y in range(height)]
    dark = [[x / width for x, grey in enumerate(row) if grey < 128] for row in rows]
    return [row for row in dark if row]
