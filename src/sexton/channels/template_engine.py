"""Jinja2 as templates of messages need it: shut in, HTML escaped, strict about names, errors of one line.

Imported only where a template is used.
"""

from __future__ import annotations

import json
import linecache
import re
import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import jinja2
from jinja2 import meta
from jinja2.exceptions import SecurityError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from ..errors import SettingsError, suggestion
from ..masking import MASK
from ..texts import one_line
from .contract import OutgoingMessage
from .template_files import HTML, TemplateError
from .template_filters import FilterError, instant, money

MOST_RENDERED = 1024 * 1024
"""Characters that one file of a template may become."""

_PACKAGE = re.compile(r"([A-Za-z_]\w*(?:\.\w+)*):([\w./-]+)")
_MISSING = re.compile(r"'(.+)' is not in the message")
_QUOTED = re.compile(r"'([^']*)'")


class TemplateEngine:
    """The templates of some folders, compiled when first used, and anew when a file has changed."""

    def __init__(self, folders: Sequence[str | Path]) -> None:
        self._environment = _Environment(
            loader=jinja2.ChoiceLoader([_loader(folder) for folder in folders]),
            autoescape=lambda name: name is not None and name.endswith(HTML),
            undefined=_Missing,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )
        self._environment.filters.update(money=money, instant=instant)
        self._environment.policies["json.dumps_function"] = _json

    def names(self) -> list[str]:
        """Those of all files."""
        return self._environment.list_templates()

    def has(self, file: str) -> bool:
        """Whether there is such a file; what it holds may be wrong."""
        try:
            self._environment.get_template(file)
        except jinja2.TemplateNotFound:
            return False
        except Exception:  # its time will come: `render` and `errors` say what it is
            return True
        return True

    def near(self, name: str, known: Iterable[str]) -> str:
        """The nearest of the names there are, to append to an error."""
        return suggestion(name, known)

    def render(self, file: str, message: OutgoingMessage) -> str:
        """What the file becomes for the message. TemplateError."""
        payload = frozen(message.payload)
        about = {name: getattr(message, name) for name in ("id", "event", "recipient", "created_at")}
        names = {**{str(name): value for name, value in payload.items()}, "payload": payload, "message": frozen(about)}
        pieces, size = [], 0
        try:
            for piece in self._environment.get_template(file).generate(names):
                pieces.append(piece)
                size += len(piece)
                if size > MOST_RENDERED:
                    raise FilterError(f"it becomes more than {MOST_RENDERED:,} characters")
        except Exception as error:  # code of others: filters, and what they call
            text = _words_without_values(error)
            if (missing := _MISSING.fullmatch(text)) is not None:
                text += suggestion(missing[1], names)
            raise TemplateError(f"template {_place(error, file)}: {text} (event {message.event})") from None
        return "".join(pieces)

    def errors(self, files: Iterable[str]) -> Iterator[TemplateError]:
        """What is wrong with them, and with those that they include or extend."""
        waiting, seen = list(files), set()
        while waiting:
            file = waiting.pop()
            if file in seen:
                continue
            seen.add(file)
            try:
                self._environment.get_template(file)
                assert self._environment.loader is not None
                source, _, _ = self._environment.loader.get_source(self._environment, file)
                named = [one for one in meta.find_referenced_templates(self._environment.parse(source)) if one]
                waiting += [self._environment.join_path(one, file) for one in named]
            except Exception as error:
                yield TemplateError(f"template {_place(error, file)}: {_words(error)}")


class _Environment(ImmutableSandboxedEnvironment):
    """A name of a payload comes before a method of its table: `order.items` are the items."""

    def getattr(self, obj: Any, attribute: str) -> Any:
        if isinstance(obj, Mapping) and attribute in obj:
            return obj[attribute]
        return super().getattr(obj, attribute)

    def join_path(self, template: str, parent: str) -> str:
        """A text included in HTML would not be escaped."""
        if parent.endswith(HTML) and not template.endswith(HTML):
            raise jinja2.TemplateRuntimeError(f"{template} is no {HTML}, so it would stand here unescaped")
        return template


class _Missing(jinja2.StrictUndefined):
    __slots__ = ()

    @property
    def _undefined_message(self) -> str:
        if self._undefined_hint:
            return self._undefined_hint
        if isinstance(self._undefined_obj, Mapping):
            known = [str(name) for name in self._undefined_obj]
            return f"'{self._undefined_name}' is not in that table{suggestion(str(self._undefined_name), known)}"
        if self._undefined_obj is jinja2.utils.missing:
            return f"'{self._undefined_name}' is not in the message"
        return f"{jinja2.utils.object_type_repr(self._undefined_obj)} has no '{self._undefined_name}'"


def frozen(value: Any) -> Any:
    """The same tables and lists, which nobody can change."""
    if isinstance(value, Mapping):
        return MappingProxyType({name: frozen(one) for name, one in value.items()})
    return tuple(map(frozen, value)) if isinstance(value, list | tuple) else value


def _loader(folder: str | Path) -> jinja2.BaseLoader:
    package = _PACKAGE.fullmatch(folder) if isinstance(folder, str) else None
    if package is None:
        if not Path(folder).is_dir():
            raise SettingsError(f"templates: there is no folder {folder}")
        return jinja2.FileSystemLoader(folder)
    try:
        return jinja2.PackageLoader(package[1], package[2])
    except (ImportError, ValueError):
        raise SettingsError(
            f"templates: the package {package[1]} is not there, or has no folder {package[2]}"
        ) from None


def _json(value: Any, **options: Any) -> str:
    def plain(one: Any) -> Any:
        return dict(one) if isinstance(one, Mapping) else str(one)

    return json.dumps(value, default=plain, **options)


def _place(error: Exception, file: str) -> str:
    """The file, of those that were included the innermost, and its line."""
    if isinstance(error, jinja2.TemplateSyntaxError):
        return f"{error.name or file}, line {error.lineno}"
    found = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.endswith(".py")]
    found = [frame for frame in found if Path(frame.filename).suffix in (".txt", HTML)]
    if not found:
        return file
    inner = Path(found[-1].filename)
    return f"{file if file.endswith(inner.name) else inner.name}, line {found[-1].lineno}"


def _words_without_values(error: Exception) -> str:
    """The same for an error that a message led to: a name that no template has in its text is one of its values."""
    if isinstance(error, jinja2.TemplateNotFound) and not _is_written(error, str(error.name)):
        return "there is no template of the name that it asks for"
    words = _words(error)
    if isinstance(error, jinja2.UndefinedError | SecurityError):
        return _QUOTED.sub(lambda name: name[0] if _is_written(error, name[1]) else MASK, words)
    return words


def _is_written(error: Exception, name: str) -> bool:
    """Whether a template that the error came through has this name in its text."""
    frames = traceback.extract_tb(error.__traceback__)
    files = {frame.filename for frame in frames if Path(frame.filename).suffix in (".txt", HTML)}
    return any(name in line for file in files for line in linecache.getlines(file))


def _words(error: Exception) -> str:
    """What is wrong, without values of the message: others' errors repeat them."""
    if isinstance(error, jinja2.TemplateNotFound):
        return f"there is no {error.name}"
    if isinstance(error, UnicodeDecodeError):
        return "it is not written in UTF-8"
    if isinstance(error, OSError):
        return f"it cannot be read: {error.strerror or type(error).__name__}"
    if isinstance(error, jinja2.TemplateError | FilterError | TypeError):
        return one_line(str(error)) or type(error).__name__
    return type(error).__name__
