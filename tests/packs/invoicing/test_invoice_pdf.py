"""PDFs of invoices, looked at as a person would: rendered, and their text read (T1.9)."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from sexton import SextonError
from sexton.packs.invoicing.invoice_pdf import generate_pdf, invoice_document
from tests.support.billing import Billing, open_billing
from tests.support.patience import PATIENCE
from tests.support.require import missing

INVISIBLE = dict.fromkeys(map(ord, "\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"))
"""Marks of direction that the reader puts around text."""


def poppler(*arguments: str) -> bytes:
    """What a program of Poppler says."""
    try:
        done = subprocess.run(arguments, capture_output=True, timeout=PATIENCE, check=True)
    except FileNotFoundError:
        missing("poppler", f"{arguments[0]} is not installed")
    return done.stdout


def words(content: bytes, folder: Path) -> str:
    """The text, in the order in which it is read."""
    (folder / "page.pdf").write_bytes(content)
    return poppler("pdftotext", "-layout", str(folder / "page.pdf"), "-").decode().translate(INVISIBLE)


def picture(content: bytes, folder: Path) -> tuple[int, int, bytes]:
    """The page as a grey picture: width, height, a byte a pixel."""
    (folder / "page.pdf").write_bytes(content)
    whole = poppler("pdftoppm", "-r", "50", "-gray", "-singlefile", str(folder / "page.pdf"), str(folder / "page"))
    assert whole == b""
    _, size, _, pixels = (folder / "page.pgm").read_bytes().split(b"\n", 3)
    width, height = map(int, size.split())
    return width, height, pixels


def dark(seen: tuple[int, int, bytes], rows: range, columns: range) -> int:
    """Dark pixels of a part of the picture."""
    width, _, pixels = seen
    return sum(pixels[row * width + column] < 128 for row in rows for column in columns)


def made(desk: Billing, number: int = 7) -> bytes:
    """The document of an invoice."""
    with desk.engine.connect() as connection:
        content = invoice_document(connection, desk.options, number)
    assert content is not None
    return content


@pytest.fixture
def hebrew(desk: Billing) -> Billing:
    """An invoice with Hebrew and Latin names."""
    desk.business(1, name="מאפיית הגליל")
    desk.customer(3, name="דנה לוי")
    items = {"ייעוץ עסקי": (3, 20_000), "Hosting 2026": (2, 20_000)}
    desk.invoice(7, customer=3, due="2026-06-14", total=118_000, vat=18_000, items=items)
    desk.change(desk.own.invoices, 7, allocation_number="202606150001")
    return desk


def test_t1_9_the_page_says_what_the_invoice_says(hebrew: Billing, tmp_path: Path) -> None:
    """T1.9: `generate-pdf`: names, dates, amounts and VAT."""
    hebrew.ask(generate_pdf(hebrew.options), 7)

    read = words(made(hebrew), tmp_path)

    for text in ("מאפיית הגליל", "דנה לוי", "ייעוץ עסקי", "Hosting 2026", "מספר הקצאה", "202606150001", "N7", "511"):
        assert text in read
    for text in ("14.06.2026", "01.05.2026", "600.00", "400.00", "1,000.00", "180.00", "1,180.00", "₪", "מע״מ"):
        assert text in read


def test_t1_9_the_page_runs_from_right_to_left(hebrew: Billing, tmp_path: Path) -> None:
    """T1.9: looked at: the heading stands at the right edge, and the left half beside it is empty."""
    hebrew.ask(generate_pdf(hebrew.options), 7)

    seen = picture(made(hebrew), tmp_path)
    width, height, _ = seen
    heading = range(height // 8)
    right, left = range(width // 2, width), range(width // 2)
    assert dark(seen, heading, right) > 100
    assert dark(seen, heading, left) == 0
    assert dark(seen, heading, range(width * 9 // 10, width - width // 20)) > 10
    # Sums are the column on the left, under their heading.
    table = range(height // 5, height // 3)
    assert dark(seen, table, range(width // 10, width // 4)) > 20
    assert dark(seen, range(height // 2, height), range(width)) == 0


def test_t1_9_letters_of_hebrew_stand_in_the_order_of_hebrew(desk: Billing, tmp_path: Path) -> None:
    """T1.9: the first letter of a name is on the right: a tall lamed there reaches above the others."""
    for number, name in ((1, "ללללוווווווו"), (2, "ווווווווללל" + "ל")):
        desk.business(number, name=name)
        desk.invoice(6 + number, business=number)
        desk.ask(generate_pdf(desk.options), 6 + number)

    tops = []
    for number in (7, 8):
        seen = picture(made(desk, number), tmp_path)
        width, height, _ = seen
        top = range(height // 8)
        columns = [column for column in range(width) if dark(seen, top, range(column, column + 1))]
        first = next(row for row in top if dark(seen, range(row, row + 1), range(width)))
        tall = [column for column in columns if dark(seen, range(first, first + 2), range(column, column + 1))]
        middle = (min(columns) + max(columns)) / 2
        tops.append(sum(tall) / len(tall) > middle)

    assert tops == [True, False]


def test_t1_9_it_is_made_once_a_version(hebrew: Billing) -> None:
    """T1.9: however often it is asked for; the document is that of the invoice as it is."""
    work = generate_pdf(hebrew.options)
    runs = [hebrew.ask(work, 7).total.changed for _ in range(3)]
    first = made(hebrew)
    hebrew.change(hebrew.own.invoices, 7, version=2, total_amount=100)
    with hebrew.engine.connect() as connection:
        assert invoice_document(connection, hebrew.options, 7) is None

    hebrew.ask(work, 7)

    assert runs == [1, 0, 0]
    assert made(hebrew) != first
    assert hebrew.column(hebrew.own.invoice_documents, "version") == {1: 1, 2: 2}


def test_t1_9_a_font_that_is_not_there_is_one_line(engine: Engine) -> None:
    """T1.9"""
    desk = open_billing(engine, pdf_font="/nowhere/font.ttf")
    desk.invoice(7)

    with pytest.raises(SextonError, match=r"pdf_font: there is no file /nowhere/font\.ttf"):
        desk.ask(generate_pdf(desk.options), 7)


def test_t1_9_texts_that_do_not_fit_are_cut_and_odd_ones_stop_nothing(desk: Billing, tmp_path: Path) -> None:
    """T1.9: a long name, line feeds, signs that the font does not know, many items over several pages."""
    desk.business(1, name="ש" * 500)
    items: dict[str, Any] = {f"{number} \N{PILE OF POO} \n\t {'x' * 200}": (1, -5) for number in range(60)}
    desk.invoice(7, items=items, issued=None, total=-118_000, vat=-18_000)

    desk.ask(generate_pdf(desk.options), 7)

    read = words(made(desk), tmp_path)
    assert (read.count("-0.05"), read.count("-1,180.00")) == (120, 1)
    width, height, _ = seen = picture(made(desk), tmp_path)
    assert dark(seen, range(height), range(width // 20)) == 0
