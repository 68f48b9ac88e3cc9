"""The page of public names, from their signatures and docstrings."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import sexton
import sexton.asgi

from .markdown import docstring, fenced, page

GROUPS: Mapping[str, tuple[str, ...]] = {
    "Jobs and schedules": ("Job", "Guard", "LazyWork", "Misfire", "cron", "every", "parse_duration", "parse_backoff"),
    "Policies": (
        "Purge",
        "Child",
        "Transition",
        "WarnOnce",
        "CounterEntry",
        "Rollup",
        "CoarserRollup",
        "RollupReport",
        "rolled_up",
    ),
    "Calls to the outside": ("Call", "Attempt", "CallColumns", "http_call", "HttpAnswer"),
    "What a call comes to": ("CallOutcome", "Done", "Again", "Failed", "Gone", "Unknown", "Down"),
    "Parts of a policy": ("Message", "Found", "Change", "Policy", "Plan"),
    "Time in a statement": ("now", "ago", "ahead", "today", "ask_now", "days_left", "UtcDateTime", "Word", "iso_text"),
    "Keys, payloads, refusals": ("text_key", "effect_key", "as_text", "json_payload", "only_if", "told", "set_aside"),
    "The outbox": ("tell", "delivered", "Outbox", "own_outbox", "Route"),
    "Functions as work": ("Run", "Counts"),
    "Jobs on demand": ("OnDemand", "Wish", "RequestRun"),
    "Packs": ("Pack", "Demonstration", "setting"),
    "Errors": ("SextonError", "PolicyError", "CallCancelled"),
    "The application": ("App", "main", "__version__"),
}
"""Every name of `sexton.__all__`, in the order of the page; a name that is missing stops the generator."""

API_SERVER = ("lifespan", "health", "SextonState")
"""Names of `sexton.asgi`."""

SIGNATURES = {
    "SextonState": "SextonState    # request.app.state.sexton",
    "lifespan": "lifespan(app, inner=None)",
    "health": "async health(request)",
    "Attempt": "Attempt    # the function of a call is given one",
    "CallOutcome": "CallOutcome = Done | Again | Failed | Gone | Unknown | Down",
    "Policy": "class Policy(Protocol)",
    "RequestRun": "RequestRun    # the function of a job on demand is given one",
    "Run": "Run    # a job's function is given one",
    "UtcDateTime": "UtcDateTime()",
    "Word": "Word()",
    "iso_text": "iso_text(instant)",
    "__version__": "__version__: str",
}
"""Where Python's own signature tells a reader nothing."""

NO_DOCSTRING = {
    "CallOutcome": "What the function of a call returns, and nothing else.",
    "__version__": "The version of the package.",
}
"""What is said about values that can have no docstring."""

ATTRIBUTES = {
    "Run": ("dry_run",),
    "RequestRun": ("job", "request", "attempt", "now"),
    "Attempt": ("row", "key", "number", "destination", "uncertain", "now"),
}
"""What a docstring explains beside parameters and fields."""

WIDTH = 100


def names() -> str:
    """The public names: signature and docstring."""
    grouped = [name for group in GROUPS.values() for name in group]
    if sorted(grouped) != sorted(sexton.__all__):
        raise SystemExit(f"docs/making/api.py: GROUPS and sexton.__all__ differ: {set(grouped) ^ set(sexton.__all__)}")
    return page("Names of the package", "the docstrings in src/sexton", _parts())


def _parts() -> Iterator[str]:
    yield (
        "All of them come from the package itself: `from sexton import Job, Purge, cron`. "
        "What is not on this page may change without notice. For tests of your own jobs there is "
        "`sexton.testing`, with `run_job`, `preview_job` and `Outside`."
    )
    for title, group in GROUPS.items():
        yield f"## {title}"
        for name in group:
            yield f"### {name}"
            yield from _described(name, getattr(sexton, name))
    yield "## Inside an API server"
    yield "These come from `sexton.asgi`; [how to use them](../how-to/asgi.md)."
    for name in API_SERVER:
        yield f"### {name}"
        yield from _described(name, getattr(sexton.asgi, name))


def _described(name: str, thing: Any) -> Iterator[str]:
    yield fenced(SIGNATURES.get(name) or _signature(name, thing), "text")
    if name in NO_DOCSTRING:
        yield NO_DOCSTRING[name]
        return
    yield docstring(thing.__doc__ or "", _parameters(thing) | set(ATTRIBUTES.get(name, ())))
    if inspect.isclass(thing) and not issubclass(thing, Exception):
        ours = [one for one in thing.__mro__ if one.__module__.startswith("sexton")]
        known = {member: value for one in reversed(ours) for member, value in vars(one).items()}
        members = [line for member, value in known.items() if (line := _member(thing, member, value))]
        if members:
            yield "Methods and properties:"
            yield "\n".join(members)


def _member(owner: type, name: str, value: Any) -> str:
    """A line about a public method or property; "" for anything else."""
    function = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
    if name.startswith(("_", "process_")) or not inspect.isfunction(function) or not function.__doc__:
        return ""
    call = "" if isinstance(value, property) else _arguments(function, skip=1)
    said = " ".join(docstring(function.__doc__).split())
    return f"- `.{name}{call}` {said}"


def _signature(name: str, thing: Any) -> str:
    if inspect.isclass(thing) and issubclass(thing, Exception):
        return f"class {name}({thing.__bases__[0].__name__})"
    line = f"{name}{_arguments(thing)}"
    if len(line) <= WIDTH:
        return line
    shown = [f"    {parameter}," for parameter in _shown(thing, 0)]
    return "\n".join([f"{name}(", *shown, f"){_answer(thing)}"])


def _arguments(thing: Any, skip: int = 0) -> str:
    return f"({', '.join(_shown(thing, skip))}){_answer(thing)}"


def _shown(thing: Any, skip: int) -> list[str]:
    shown: list[str] = []
    for parameter in list(inspect.signature(thing).parameters.values())[skip:]:
        if parameter.kind is parameter.KEYWORD_ONLY and "*" not in shown:
            shown.append("*")
        star = "*" if parameter.kind is parameter.VAR_POSITIONAL else ""
        star = "**" if parameter.kind is parameter.VAR_KEYWORD else star
        default = "" if parameter.default is parameter.empty else f" = {_default(parameter.default)}"
        shown.append(f"{star}{parameter.name}: {parameter.annotation}{default}")
    return shown


def _default(value: Any) -> str:
    if repr(value) == "<factory>":
        return "{}"
    if is_dataclass(value) and not isinstance(value, type):
        return f"{type(value).__name__}()" if value == type(value)() else repr(value)
    return re.sub(r"^'(.*)'$", r'"\1"', repr(value))


def _answer(thing: Any) -> str:
    answer = None if inspect.isclass(thing) else inspect.signature(thing).return_annotation
    return "" if answer in (None, "None", inspect.Signature.empty) else f" -> {answer}"


def _parameters(thing: Any) -> set[str]:
    """Names that a docstring explains, one a line."""
    if inspect.isclass(thing) and issubclass(thing, Exception):
        return set()
    found = set(inspect.signature(thing).parameters) if callable(thing) else set()
    found |= {field.name for field in fields(thing)} if is_dataclass(thing) else set()
    return found | set(vars(thing) if inspect.isclass(thing) else ())
