"""Arguments of a job on demand: checked against the function's signature when somebody asks, and read when it starts.

    def work(run: RequestRun, invoice_id: int, due: date | None = None) -> None: ...

What a parameter may hold is what its annotation says: what JSON holds (None, bool, int, float, str, list, dict), date,
datetime, time, Decimal, UUID, Enum, lists and dictionaries of those, unions. Without an annotation: what JSON holds.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, get_type_hints

from ..errors import PolicyError, UsageError, suggestion
from ..texts import one_line
from .argument_types import ArgumentType, Misfitting, argument_type, plain

MAX_ARGUMENTS_BYTES = 65_536
"""Bytes of all arguments of one request, as JSON in UTF-8; larger things belong into a table, and their key here."""

RESERVED_ARGUMENTS = ("using", "wish")
"""What `enqueue` takes for itself."""

_loads = json.JSONDecoder().decode
_dumps = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


class UnfitArguments(UsageError):
    """Arguments of a request do not fit the function any more: no attempt would change that."""


class Parameters:
    """What a job's function takes beside its run. PolicyError where nothing can be carried to it."""

    def __init__(self, job: str, function: object) -> None:
        self.job = job
        self._types: dict[str, ArgumentType] = {}
        self._needed: set[str] = set()
        self._others = False
        hints = _hints(function)
        for parameter in _after_the_run(job, function):
            self._take(parameter, hints.get(parameter.name, Any))

    def __str__(self) -> str:
        optional = [f"[{name}]" for name in self._types if name not in self._needed]
        others = ["..."] if self._others else []
        return f"with {', '.join([*sorted(self._needed), *optional, *others]) or 'no arguments'}"

    def _take(self, parameter: inspect.Parameter, annotation: Any) -> None:
        name = parameter.name
        if parameter.kind is parameter.VAR_KEYWORD:
            self._others = True
            return
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.POSITIONAL_ONLY):
            raise PolicyError(f"job {self.job}: its function takes {parameter}; arguments are carried by name")
        if name in RESERVED_ARGUMENTS:
            raise PolicyError(f"job {self.job}: an argument cannot be called {name!r}; enqueue takes that for itself")
        try:
            self._types[name] = argument_type(annotation)
        except TypeError as error:
            raise PolicyError(f"job {self.job}: {name}: {error}") from None
        if parameter.default is parameter.empty:
            self._needed.add(name)

    def written(self, arguments: Mapping[str, Any]) -> str:
        """The arguments as they are kept, a JSON object. UsageError in one line, without a value, for what misfits."""
        if not isinstance(arguments, Mapping) or not all(isinstance(name, str) for name in arguments):
            raise UsageError(f"{self.job}: arguments are a dictionary by name, not {type(arguments).__name__}")
        kept = {name: self._written(name, value) for name, value in arguments.items()}
        if missing := self._needed - arguments.keys():
            raise UsageError(f"{self.job}: {_listed(missing)} must be given")
        text = _dumps(kept)
        if len(text) > MAX_ARGUMENTS_BYTES // 4 and len(text.encode("utf-8", "replace")) > MAX_ARGUMENTS_BYTES:
            raise UsageError(f"{self.job}: the arguments take more than 64 KiB; keep them in a table, and give its key")
        return text

    def _written(self, name: str, value: Any) -> Any:
        kind = self._types.get(name)
        if kind is None:
            if not self._others:
                known = suggestion(name, self._types) or f"; it takes {_listed(self._types) or 'none'}"
                raise UsageError(f"{self.job}: there is no argument {name!r}{known}")
            kind = _ANYTHING
        try:
            plain(name)
            return kind.write(value)
        except Misfitting as error:
            raise UsageError(f"{self.job}: {one_line(name)} {error}") from None

    def read(self, kept: Mapping[str, Any]) -> dict[str, Any]:
        """What the function is called with. UnfitArguments, without a value, for what it does not take any more."""
        if kept.keys() != self._types.keys():
            self._check_names(kept)
        try:
            return {name: self._types.get(name, _ANYTHING).read(value) for name, value in kept.items()}
        except Misfitting as error:
            raise UnfitArguments(f"{self.job}: an argument {error}") from None

    def _check_names(self, kept: Mapping[str, Any]) -> None:
        if (unknown := kept.keys() - self._types.keys()) and not self._others:
            raise UnfitArguments(f"{self.job}: its function takes no {_listed(unknown)} any more")
        if missing := self._needed - kept.keys():
            raise UnfitArguments(f"{self.job}: its function needs {_listed(missing)}, which this request has not")

    def from_words(self, words: Mapping[str, str]) -> dict[str, Any]:
        """Arguments that a person typed as text. UsageError where one cannot be read so."""
        return {name: self._from_word(name, word) for name, word in words.items()}

    def _from_word(self, name: str, word: str) -> Any:
        kind = self._types.get(name, _ANYTHING)
        attempts: list[Callable[[], Any]] = [partial(_read_json, kind, word), lambda: kind.read(word)]
        if kind.text_first:
            attempts.reverse()
        for attempt in attempts:
            try:
                return attempt()
            except (Misfitting, ValueError, RecursionError):
                continue
        raise UsageError(f"{self.job}: {name} must be {kind.words}")


_ANYTHING = argument_type(Any)


def loaded_arguments(text: str) -> dict[str, Any]:
    """The object that is kept. UnfitArguments: somebody else wrote there."""
    try:
        value = _loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise UnfitArguments("the arguments of this request are no JSON object")
    return value


def _read_json(kind: ArgumentType, word: str) -> Any:
    return kind.read(plain(json.loads(word)))


def _hints(function: object) -> Mapping[str, Any]:
    try:
        return get_type_hints(function if inspect.isroutine(function) else type(function).__call__)
    except Exception:  # names that are only there for a type checker: those are not checked here
        return {}


def _after_the_run(job: str, function: object) -> list[inspect.Parameter]:
    if not callable(function) or hasattr(function, "plan"):
        raise PolicyError(f"job {job}: work on demand is a function `work(run, …)`, not {type(function).__name__}")
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        raise PolicyError(f"job {job}: the arguments of its function cannot be found out") from None
    if not parameters or parameters[0].kind in (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_KEYWORD):
        raise PolicyError(f"job {job}: its function must take the run first: work(run, …)")
    return parameters[1:] if parameters[0].kind is not inspect.Parameter.VAR_POSITIONAL else parameters


def _listed(names: object) -> str:
    return ", ".join(sorted(names))  # type: ignore[call-overload]
