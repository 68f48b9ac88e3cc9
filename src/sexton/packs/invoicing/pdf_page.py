"""An invoice as a page of PDF, from right to left, with Hebrew and Latin names and amounts side by side."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any
from unicodedata import bidirectional

from sexton import SextonError

from .asked_invoice import AskedInvoice

OUR_FONTS = Path(__file__).with_name("fonts")
"""DejaVu Sans, plain and bold, with the letters of Hebrew, Latin and their neighbours."""

FAMILY = "invoice"
RIGHT_TO_LEFT = "R"
WIDTHS = (32.0, 32.0, 22.0, 94.0)
"""Millimetres of the columns from left to right: sum, price, quantity, description."""

HEADINGS = ("סכום", "מחיר", "כמות", "תיאור")
MARGIN = 15.0
"""Millimetres at each edge of the page."""

MOST_CHARACTERS = 200
"""Of a text of one line; what is wider than its place is cut there."""

LEFT_TO_RIGHT_MARK = "\u200e"
"""Keeps a minus sign before its number among Hebrew words."""


def invoice_page(asked: AskedInvoice, font: str, at: datetime) -> bytes:
    """The PDF. font: path of a TrueType font, "" for ours.  at: when it was made, as it says of itself.

    SextonError when there is no such font, or the library for PDFs is not installed.
    """
    page = _page(*font_files(font), at)
    row = asked.row
    _line(page, asked.business.name, 18, bold=True)
    if asked.business.tax_number:
        _line(page, f"ח.פ. {asked.business.tax_number}", 10)
    page.ln(6)
    _line(page, f"חשבונית מס {row.number or ''}", 15, bold=True)
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
    _line(page, f"סה״כ לתשלום: {_amount(row.total_amount, row.currency)}", 14, bold=True)
    if row.allocation_number:
        _line(page, f"מספר הקצאה: {row.allocation_number}", 10)
    return bytes(page.output())


def font_files(given: str) -> tuple[Path, Path]:
    """The plain font and the bold one. SextonError when there is none."""
    if not given:
        return OUR_FONTS / "DejaVuSans.ttf", OUR_FONTS / "DejaVuSans-Bold.ttf"
    if not Path(given).is_file():
        raise SextonError(f"pack.invoicing.pdf_font: there is no file {given}")
    return Path(given), Path(given)


@cache
def _library() -> Any:
    try:
        import fpdf
        import uharfbuzz  # noqa: F401 (shapes the text; without it fpdf would only warn)
    except ImportError as error:
        raise SextonError("PDFs need fpdf2 and uharfbuzz: pip install 'sexton[invoicing]'") from error
    return fpdf


def _page(plain: Path, bold: Path, at: datetime) -> Any:
    page = _library().FPDF(format="A4")
    page.set_creation_date(at)
    page.set_margin(MARGIN)
    page.add_font(FAMILY, fname=plain)
    page.add_font(FAMILY, style="B", fname=bold)
    page.add_page()
    page.set_font(FAMILY, size=11)
    return page


def _line(page: Any, text: str, size: int, *, bold: bool = False) -> None:
    page.set_font(FAMILY, style="B" if bold else "", size=size)
    fitting = _fitting(page, text, page.w - 2 * MARGIN)
    page.cell(0, size * 0.55, fitting, align=RIGHT_TO_LEFT, new_x="LMARGIN", new_y="NEXT")


def _table(page: Any, asked: AskedInvoice) -> None:
    """The first column is the one on the right."""
    _row(page, HEADINGS)
    for item in asked.items:
        whole = item.quantity * item.unit_price
        _row(page, (_money(whole), _money(item.unit_price), f"{item.quantity}", item.description))


def _row(page: Any, texts: tuple[str, ...]) -> None:
    page.set_font(FAMILY, style="B" if texts is HEADINGS else "", size=10)
    for width, text in zip(WIDTHS, texts, strict=True):
        page.cell(width, 8, _fitting(page, text, width - 2), align=RIGHT_TO_LEFT, border="B")
    page.ln(8)


def _fitting(page: Any, text: str, width: float) -> str:
    """As much of a text as fits; set for its direction, which its first letter decides as everywhere."""
    whole = " ".join(text.split())
    kept = whole[:MOST_CHARACTERS]
    page.set_text_shaping(use_shaping_engine=True, direction=_direction(kept))
    while kept and page.get_string_width(kept if kept == whole else f"{kept}…") > width:
        kept = kept[: -max(len(kept) // 20, 1)]
    return kept if kept == whole else f"{kept}…"


def _direction(text: str) -> str:
    strong = (bidirectional(character) for character in text)
    return "rtl" if next((kind for kind in strong if kind in ("L", "R", "AL")), "L") != "L" else "ltr"


def _day(day: Any) -> str:
    return f"{day:%d.%m.%Y}"


def _money(amount: int) -> str:
    sign, (whole, part) = "-" if amount < 0 else "", divmod(abs(amount), 100)
    return f"{sign}{whole:,}.{part:02}"


def _amount(amount: int, currency: str) -> str:
    mark = LEFT_TO_RIGHT_MARK if amount < 0 else ""
    return f"{mark}{_money(amount)} {'₪' if currency == 'ILS' else currency}"
