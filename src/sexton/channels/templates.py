"""What a message of the outbox says, made of a template of the user's or of a pack; or of itself, without one.

A template is up to three files beside each other, each of a kind that an editor knows:

    order_confirmed.txt           the text; needed
    order_confirmed.html          the same as HTML, in which all that is put in is escaped
    order_confirmed.subject.txt   one line; without it the subject is the event in words

A text is never made of the HTML: what is left of a table then is no text, and nobody looks at it before it is sent.

Templates see the payload's names, `payload`, and `message` (id, event, recipient, created_at). Nothing of it can be
changed, nothing else can be reached, and a name that is missing is an error.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import SettingsError
from ..texts import json_text
from .contract import Library, OutgoingMessage
from .template_files import HTML, SUBJECT, TEMPLATE_NAME, TEXT, TemplateError

if TYPE_CHECKING:
    from .template_engine import TemplateEngine

TEMPLATE_LIBRARY = Library(("jinja2",), "the library Jinja2", "pip install 'sexton[mail]'")

_DEEPEST = 8
"""Tables in tables that a message without a template shows as lines; what is deeper stands as JSON."""


class Templates:
    """Those of some folders, looked for in their order: a user's own come first, and replace those of a pack.

    folders: "templates" is a folder, "sexton.packs.storefront:templates" one of a package.
    """

    def __init__(self, folders: Sequence[str | Path]) -> None:
        self.folders = tuple(folders)

    def render(self, name: str, message: OutgoingMessage) -> OutgoingMessage:
        """The same message with subject, text and HTML of the template `name`. TemplateError when one cannot be made;
        SettingsError when Jinja2 is not installed, or a folder is not there."""
        self._require(name)
        made = {
            part: self._engine.render(name + ending, message) if self._engine.has(name + ending) else ""
            for part, ending in (("subject", SUBJECT), ("text", TEXT), ("html", HTML))
        }
        subject = made["subject"].strip()
        if len(subject.splitlines()) > 1:
            raise TemplateError(f"template {name}{SUBJECT}: more than one line came out (event {message.event})")
        return replace(message, subject=subject or _in_words(message.event), text=made["text"], html=made["html"])

    def errors(self, name: str) -> Iterator[SettingsError | TemplateError]:
        """What is wrong with a template and with all that it names, found without a message."""
        try:
            self._require(name)
            present = [name + ending for ending in (SUBJECT, TEXT, HTML) if self._engine.has(name + ending)]
        except (SettingsError, TemplateError) as error:
            yield error
            return
        yield from self._engine.errors(present)

    def _require(self, name: str) -> None:
        if not TEMPLATE_NAME.fullmatch(name):
            raise TemplateError(f'template {name!r}: this is no name; write for instance "order_confirmed"')
        if not self._engine.has(name + TEXT):
            known = {one.removesuffix(TEXT) for one in self._engine.names() if not one.endswith((SUBJECT, HTML))}
            raise TemplateError(f"template {name}: there is no {name}{TEXT}{self._engine.near(name, known)}")

    @cached_property
    def _engine(self) -> TemplateEngine:
        try:
            from .template_engine import TemplateEngine
        except ModuleNotFoundError as error:
            if error.name not in TEMPLATE_LIBRARY.modules:
                raise
            raise SettingsError(f"templates need {TEMPLATE_LIBRARY.words}; run: {TEMPLATE_LIBRARY.install}") from None
        return TemplateEngine(self.folders)


def with_words(message: OutgoingMessage) -> OutgoingMessage:
    """The message; without a template it says its event in words, and its payload as lines. Needs no Jinja2."""
    if message.text or message.html:
        return message if message.subject else replace(message, subject=_in_words(message.event))
    text = "\n".join(_lines(message.payload, "", _DEEPEST)) or _in_words(message.event)
    return replace(message, subject=message.subject or _in_words(message.event), text=text)


def _in_words(event: str) -> str:
    words = " ".join(re.split(r"[\W_]+", event)).strip()
    return words[:1].upper() + words[1:] or "Message"


def _lines(values: Mapping[str, Any], before: str, deepest: int) -> Iterator[str]:
    for name, value in values.items():
        if isinstance(value, Mapping) and value and deepest > 1:
            yield from _lines(value, f"{before}{name}.", deepest - 1)
        else:
            yield f"{before}{name}: {value if isinstance(value, str) else json_text(value, default=str)}"
