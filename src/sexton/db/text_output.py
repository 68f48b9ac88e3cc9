"""What the text of a value depends on in PostgreSQL, set for one transaction: text that was written so reads so again.

A role or a database may have settings of its own (`ALTER ROLE … SET extra_float_digits = 0`), and text is then less
than the value, or another one.
"""

from __future__ import annotations

from sqlalchemy import Connection, text

TEXT_OUTPUT_SETTINGS = {
    "timezone": "UTC",
    "datestyle": "ISO, MDY",
    "intervalstyle": "postgres",
    "extra_float_digits": "1",  # the shortest text that is exactly this number
    "bytea_output": "hex",
    "xmlbinary": "base64",
    "xmloption": "content",
    "lc_monetary": "C",
    "client_encoding": "UTF8",
    "quote_all_identifiers": "off",
    "array_nulls": "on",
    "standard_conforming_strings": "on",
}
"""Every setting that a value's text, or the reading of it, depends on."""

_OF_KEYS = ("timezone", "datestyle", "intervalstyle", "extra_float_digits", "bytea_output")

SESSION_OUTPUT_SETTINGS = {name: TEXT_OUTPUT_SETTINGS[name] for name in (*_OF_KEYS, "standard_conforming_strings")}
"""Those that each transaction begins with: the text of keys depends on them (with fewer digits two numbers would share
one, SEC-7), and whether a backslash in a text is one (SEC-17)."""

_SET = text(
    f"SELECT {', '.join(f'set_config({name!r}, {value!r}, true)' for name, value in TEXT_OUTPUT_SETTINGS.items())}"
)


def exact_text_output(connection: Connection) -> None:
    """Values are written and read by `TEXT_OUTPUT_SETTINGS` until the transaction ends. SQLite has none."""
    if connection.dialect.name == "postgresql":
        connection.execute(_SET)
