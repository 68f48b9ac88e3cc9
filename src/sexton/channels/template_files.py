"""Which files make a template, and the error when one of them cannot be used."""

from __future__ import annotations

import re

from ..errors import UsageError

SUBJECT, TEXT, HTML = ".subject.txt", ".txt", ".html"
"""Endings of its files; only the text is needed."""

TEMPLATE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(?:/[A-Za-z0-9_][A-Za-z0-9_.-]*)*")
"""What a route calls a template: a name without its ending, below folders if there are any."""


class TemplateError(UsageError):
    """A template cannot be used, or not for this message. One line: the file, its line, the event, what is wrong; never
    a value of the message."""
