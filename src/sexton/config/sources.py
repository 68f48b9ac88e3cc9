"""Where settings come from, the later winning: defaults, `sexton.toml`, `.env` beside it, the environment."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import SettingsError
from ..files import TRUST, refuse_for_root
from ..setting_fields import dotted
from . import environment
from .reading import Problem, assemble, checked, refusal
from .settings import Settings

FILE = "sexton.toml"
Keys = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Source:
    """The settings of one place; `place` tells where in it a key stands, for messages."""

    values: Mapping[str, Any]
    place: Callable[[Keys], str]


class Variable(NamedTuple):
    """One variable: its name, its text, and where it was found (".env line 3", "environment")."""

    name: str
    text: str
    where: str


class Loaded(NamedTuple):
    """All settings, and where a key of them stands, for messages: "sexton.toml line 14: policies.tidy.only".

    files: those that were read.
    """

    settings: Settings
    place: Callable[[Sequence[str]], str]
    files: tuple[Path, ...] = ()


Faults = Callable[[Mapping[str, Mapping[str, object]], Callable[[Sequence[str]], str]], Iterable[SettingsError]]
"""What is wrong with tables such as `[policies.NAME]`, for which others have the settings; given where a key stands."""


def load(
    path: Path | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    folder: Path | None = None,
    policies: Faults | None = None,
) -> Settings:
    """All settings, checked; see `load_placed`."""
    return load_placed(path, environ=environ, folder=folder, policies=policies).settings


def load_placed(
    path: Path | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    folder: Path | None = None,
    policies: Faults | None = None,
) -> Loaded:
    """All settings, checked, and where each of them stands.

    path: the settings file; None takes the one that SEXTON_CONFIG names, else `sexton.toml` in `folder` if it
    is there.  environ: the environment; None takes that of this process.
    folder: where to look when no file is named; None takes the working directory.
    SettingsError, a line for each fault with file, line, key and what would be right, for a named file that is
    missing and for every value that cannot be right, even one that a later source replaces; and, as root, for a
    file that somebody else could write.
    policies: asked about policies only when something else is wrong, so that all is said at once; else they are read
    where they are used."""
    environ = os.environ if environ is None else environ
    folder = Path() if folder is None else folder
    named = path is not None or environment.CONFIG in environ
    if path is None and named:
        path = _from_environment(environ)
    file = folder / FILE if path is None else path
    beside = file.parent / ".env"
    wrong: list[str] = []
    places = (_toml(file, named=named), _dotenv(beside, environ, wrong), _environment(environ, wrong))
    sources = [source for place in places for source in _readable(place, wrong)]
    settings = _laid_over(sources, wrong, policies)
    read = tuple(one for one in (file, beside) if one.is_file())
    return Loaded(settings, partial(_place, sources), read)


def _readable(place: Iterable[Source], wrong: list[str]) -> Iterator[Source]:
    try:
        yield from place
    except SettingsError as error:
        wrong += error.lines


def _place(sources: Sequence[Source], keys: Sequence[str]) -> str:
    """The last place that has the key, or, where nobody wrote it, the table that it is missing from."""
    for end in range(len(keys), 0, -1):
        for source in reversed(sources):
            if _has(source.values, keys[:end]):
                return source.place(tuple(keys))
    return dotted(keys)


def _has(values: Any, keys: Sequence[str]) -> bool:
    for key in keys:
        if not isinstance(values, Mapping) or key not in values:
            return False
        values = values[key]
    return True


def _from_environment(environ: Mapping[str, str]) -> Path:
    if not environ[environment.CONFIG].strip():
        raise SettingsError(f"environment: {environment.CONFIG} is empty; name the settings file, or unset it")
    return Path(environ[environment.CONFIG])


def _toml(file: Path, *, named: bool) -> Iterable[Source]:
    text = _text_of(file)
    if text is None:
        if named:
            raise SettingsError(f"{file}: there is no such settings file; `sexton init` writes one")
        return
    from . import toml_file  # together with the parser, not worth its time without a file

    values = toml_file.parse(text, where=str(file))

    def place(keys: Keys) -> str:
        written = (keys[:end] for end in range(len(keys), 0, -1) if _has(values, keys[:end]))
        line = next((toml_file.line_of(text, path) for path in written), None)
        return f"{file}{f' line {line}' if line else ''}: {dotted(keys)}"

    yield Source(values, place)


def _dotenv(file: Path, environ: Mapping[str, str], wrong: list[str]) -> Iterable[Source]:
    text = None if file.is_dir() else _text_of(file)  # a folder of this name is somebody's virtual environment
    if text is None:
        return
    from . import dotenv_file  # together with its library, not worth its time without a file

    variables = []
    before = len(wrong)
    entries = dotenv_file.parse(text, lambda line, why: wrong.append(f"{file} line {line}: {why}"))
    lines_are_right = len(wrong) == before
    for name, entry in entries.items():
        where = f"{file} line {entry.line}"
        if name in (environment.CONFIG, TRUST) and environ.get(name) != entry.value:
            wrong.append(f"{where}: {name} comes too late here; set it in the environment")
        elif environment.is_setting(name):
            variables.append(Variable(name, entry.value, where))
    found = [*_variables(variables, str(file), wrong)]
    # Where a line is none, the value before it may go on in it, and be a secret; so no value is judged, or repeated.
    yield from found if lines_are_right else ()


def _environment(environ: Mapping[str, str], wrong: list[str]) -> Iterable[Source]:
    where = "environment"
    named = [Variable(name, text, where) for name, text in environ.items() if environment.is_setting(name)]
    return _variables(named, where, wrong)


def _variables(variables: Iterable[Variable], where: str, wrong: list[str]) -> Iterable[Source]:
    by_path: dict[Keys, Variable] = {}
    for variable in variables:
        try:
            by_path[environment.path_of(variable.name, where=variable.where)] = variable
        except SettingsError as error:
            wrong += error.lines
    if not by_path:
        return
    known = ((path, variable.text, environment.known(variable.name)) for path, variable in by_path.items())
    values = environment.nested(
        (path, environment.from_text(text, found[1])) for path, text, found in known if found is not None
    )

    def place(keys: Keys) -> str:
        if keys in by_path:
            return f"{by_path[keys].where}: {by_path[keys].name}"
        return f"{where}: {dotted(keys)}"

    yield Source(values, place)


def _laid_over(sources: Sequence[Source], wrong: list[str], policies: Faults | None) -> Settings:
    """All of them as one. wrong: what was found so far. SettingsError with that and all that is found here."""
    values: dict[str, Any] = {}
    latest: dict[Keys, Source] = {}
    for source in sources:
        try:
            _merge(values, checked(Settings, source.values))
        except Problem as problem:
            wrong += (f"{source.place(one.path)}: {one}" for one in problem.each)
        latest.update({(key,): source for key in source.values})
    if not wrong:
        try:
            return assemble(Settings, values)
        except Problem as problem:
            # What does not fit together names both keys; the place is the last one that had a say.
            wrong += (f"{latest[one.path[:1]].place(one.path)}: {one}" for one in problem.each)
    # A folder that root does not obey is the fault of each file in it, and is told once.
    more = [] if policies is None else _in_policies(sources, policies)
    raise refusal([*dict.fromkeys([*wrong, *more])])


def _in_policies(sources: Sequence[Source], faults: Faults) -> Iterator[str]:
    """What is wrong with policies, which are read when they are needed, beside what is wrong anyway."""
    for source in sources:
        written = source.values.get("policies")
        tables = written.items() if isinstance(written, Mapping) else ()
        named = {name: table for name, table in tables if isinstance(table, Mapping)}
        for error in faults(named, partial(_place, sources)):
            yield from error.lines


def _merge(values: dict[str, Any], later: Mapping[str, Any]) -> None:
    for key, value in later.items():
        if isinstance(value, dict) and isinstance(values.get(key), dict):
            _merge(values[key], value)
        else:
            values[key] = value


def _text_of(file: Path) -> str | None:
    """The file's text, None when there is no such file; a byte order mark is dropped."""
    try:
        os.lstat(file)  # one that is not there is nobody's; and what a stranger put there (a FIFO) is not even opened
        refuse_for_root(file)
        data = file.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SettingsError(f"{file}: cannot be read: {error.strerror}") from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise SettingsError(f"{file} line {line}: not UTF-8; save the file as UTF-8") from None
