"""Filters of templates: money and instants, as people read them."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from ..errors import ScheduleError
from ..jobs.zones import check_zone, load_zone

FIRST_FORM = "%Y-%m-%d %H:%M %Z"

_CURRENCY = re.compile(r"[A-Z]{3}")
_PLACES = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
"""Digits of the smaller unit, where they are not two (ISO 4217)."""


class FilterError(ValueError):
    """A filter was given what it cannot take; the text repeats nothing of it."""


def money(amount: Any, currency: Any, decimal: str = ".", group: str = ",") -> str:
    """`{{ total | money("EUR") }}`: 123450 is "1,234.50 EUR". amount: in the smallest unit, a whole number.

    decimal, group: signs before the smaller unit and between thousands.
    """
    if isinstance(amount, bool) or not isinstance(amount, int):
        str(amount)  # of a name that is missing: says so
        raise FilterError("money takes a whole number of the smallest unit: 1250 for 12.50")
    if not isinstance(currency, str) or _CURRENCY.fullmatch(str(currency)) is None:
        raise FilterError('money needs a currency of three capital letters, such as "EUR"')
    places = next((digits for digits, codes in _PLACES.items() if currency in codes.split()), 2)
    whole, smaller = divmod(abs(amount), 10**places)
    text = f"{whole:,}".replace(",", group) + (f"{decimal}{smaller:0{places}}" if places else "")
    return f"{'-' if amount < 0 else ''}{text} {currency}"


def instant(value: Any, zone: str = "UTC", form: str = FIRST_FORM) -> str:
    """`{{ ends_at | instant("Asia/Kolkata") }}`: "2026-11-22 09:30 IST". value: a datetime, or its ISO 8601 text.

    Without an offset it means UTC.  zone: an IANA name.  form: as of `strftime`.
    """
    at = value if isinstance(value, datetime) else _read(str(value))  # str() of a name that is missing says so
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at
    try:
        return at.astimezone(load_zone(check_zone(zone))).strftime(form)
    except (ScheduleError, OverflowError) as error:
        raise FilterError(f"instant: {error}") from None


def _read(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise FilterError("instant takes a time such as 2026-11-22T04:00:00Z") from None
    if not re.search(r"\d[T ]\d", text):
        raise FilterError("instant takes a time; a date alone is another one in each zone")
    return at
