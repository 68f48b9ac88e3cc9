"""The channel that calls a Python function of the product, with the message and, if asked, in the same transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any, get_args

from ..call_outcomes import CallOutcome, Done
from ..errors import SettingsError
from ..setting_fields import setting
from .contract import ConfiguredChannel, Notice, OutgoingMessage, Refused


@dataclass(frozen=True, slots=True)
class FunctionSettings:
    """Messages handed to a function of yours."""

    function: str | None = setting(
        None,
        'where it is, "package.module:function"; it gets the message, whose `id` and `key` never change',
        kind="function",
        example="shop.hooks:on_message",
    )
    same_database: bool = setting(
        False,
        "true: it also gets the connection of the transaction in which its success is recorded, and writes through "
        "that, exactly once; it must not call anything outside then",
    )


class FunctionChannel(ConfiguredChannel[FunctionSettings]):
    """Calls `settings.function`: with the message; in the same database with message and connection.

    It returns None, or an outcome such as `Again("busy")`; what it raises is tried again, and only its kind is kept.
    """

    name = "function"
    settings_type = FunctionSettings
    addressed = False
    required = ("function",)
    alerts = False
    delivers = True
    needed_to_deliver = ("function",)

    def send(self, notice: Notice, *, only: Sequence[str] = ()) -> Mapping[str, str]:
        """Refused, always."""
        raise Refused("alerts are not handed to functions")

    def deliver(self, messages: Sequence[OutgoingMessage], *, seconds: float) -> Iterator[CallOutcome]:
        """Call it for each of them."""
        function = loaded_function(self.settings.function or "")
        for message in messages:
            if self.settings.same_database:
                yield Done(then=lambda connection, message=message: function(message, connection))  # type: ignore[misc]
                continue
            answer = function(message)
            yield answer if isinstance(answer, get_args(CallOutcome)) else Done()


@cache
def loaded_function(path: str) -> Callable[..., Any]:
    """The function. SettingsError, one line, when it cannot be imported, or is none."""
    from ..jobs.foreign_code import guarded

    module_name, _, name = path.partition(":")
    about = f"channel.function.function: {path}"
    with guarded(f"{about} cannot be imported", SettingsError, module_name):
        found = getattr(import_module(module_name), name, None)
    if not callable(found):
        raise SettingsError(f"{about}: there is no such function")
    function: Callable[..., Any] = found
    return function
