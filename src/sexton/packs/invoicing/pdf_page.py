"""An invoice as a page of PDF, from right to left, with Hebrew and Latin names and amounts side by side."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from sexton import SextonError

from .asked_invoice import AskedInvoice

FONT_PLACES = (
    "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf",
    "/usr/share/fonts/dejavu-sans-fonts/DejaVuSans.ttf",
    "/usr/share/fonts/dejavu/DejaVuSans.ttf",
    "/usr/share/fonts/TTF/DejaVuSans.ttf",
    "/Library/Fonts/DejaVuSans.ttf",
)
"""Where systems keep a font with Hebrew letters that may be embedded."""

FAMILY = "invoice"
RIGHT_TO_LEFT = "R"
WIDTHS = (32.0, 32.0, 22.0, 94.0)
"""Millimetres of the columns from left to right: sum, price, quantity, description."""

HEADINGS = ("סכום", "מחיר", "כמות", "תיאור")
MOST_TEXT = 90
"""Characters of a text that stands in one line."""


def invoice_page(asked: AskedInvoice, font: str, at: datetime) -> bytes:
    """The PDF. font: path of a TrueType font, "" for one of the system.  at: when it was made, as it says of itself.

    SextonError when there is no font, or the library for PDFs is not installed.
    """
    page = _page(font_file(font), at)
    row = asked.row
    _line(page, asked.business.name, 18)
    if asked.business.tax_number:
        _line(page, f"ח.פ. {asked.business.tax_number}", 10)
    page.ln(6)
    _line(page, f"חשבונית מס {row.number or ''}", 15)
    if row.issue_date is not None:
        _line(page, f"תאריך: {_day(row.issue_date)}", 10)
    if row.due_date is not None:
        _line(page, f"לתשלום עד: {_day(row.due_date)}", 10)
    if asked.customer is not None:
        _line(page, f"לכבוד: {asked.customer.name}", 12)
    page.ln(4)
    _table(page, asked)
    page.ln(4)
    _line(page, f"סה״כ לפני מע״מ: {_amount(asked.net, row.currency)}", 11)
    _line(page, f"מע״מ: {_amount(row.vat_amount, row.currency)}", 11)
    _line(page, f"סה״כ לתשלום: {_amount(row.total_amount, row.currency)}", 14)
    if row.allocation_number:
        _line(page, f"מספר הקצאה: {row.allocation_number}", 10)
    return bytes(page.output())


def font_file(given: str) -> Path:
    """The font's file. SextonError when there is none."""
    if given:
        if not Path(given).is_file():
            raise SextonError(f"pack.invoicing.pdf_font: there is no file {given}")
        return Path(given)
    found = next((Path(place) for place in FONT_PLACES if Path(place).is_file()), None)
    if found is None:
        raise SextonError("pack.invoicing.pdf_font: no DejaVu Sans on this system; install it, or name another font")
    return found


@cache
def _library() -> Any:
    try:
        import fpdf
        import uharfbuzz  # noqa: F401 (shapes the text; without it fpdf would only warn)
    except ImportError as error:
        raise SextonError("PDFs need fpdf2 and uharfbuzz: pip install 'sexton[invoicing]'") from error
    return fpdf


def _page(font: Path, at: datetime) -> Any:
    page = _library().FPDF(format="A4")
    page.set_creation_date(at)
    page.set_margin(15)
    page.add_font(FAMILY, fname=font)
    page.add_page()
    page.set_font(FAMILY, size=11)
    page.set_text_shaping(use_shaping_engine=True, direction="rtl")
    return page


def _line(page: Any, text: str, size: int) -> None:
    page.set_font_size(size)
    page.cell(0, size * 0.55, _short(text), align=RIGHT_TO_LEFT, new_x="LMARGIN", new_y="NEXT")


def _table(page: Any, asked: AskedInvoice) -> None:
    """The first column is the one on the right."""
    _row(page, HEADINGS)
    for item in asked.items:
        whole = item.quantity * item.unit_price
        _row(page, (_money(whole), _money(item.unit_price), f"{item.quantity}", item.description))


def _row(page: Any, texts: tuple[str, ...]) -> None:
    page.set_font_size(10)
    for width, text in zip(WIDTHS, texts, strict=True):
        page.cell(width, 8, _short(text, 52 if width == max(WIDTHS) else 20), align=RIGHT_TO_LEFT, border="B")
    page.ln(8)


def _short(text: str, most: int = MOST_TEXT) -> str:
    whole = " ".join(text.split())
    return whole if len(whole) <= most else f"{whole[: most - 1]}…"


def _day(day: Any) -> str:
    return f"{day:%d.%m.%Y}"


def _money(amount: int) -> str:
    sign, (whole, part) = "-" if amount < 0 else "", divmod(abs(amount), 100)
    return f"{sign}{whole:,}.{part:02}"


def _amount(amount: int, currency: str) -> str:
    return f"{_money(amount)} {'₪' if currency == 'ILS' else currency}"
