"""What a step that calls does, in words for people, and the statement that finds the rows it claims."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

from sqlalchemy import Column, Select

from ...jobs.duration import format_duration
from ...policies.call_rule import CallColumns, CallDelays, CallRule
from ...policies.contract import Plan
from .caller import store_of
from .claiming import Claiming

ON_UNKNOWN = {
    "again": "it is made again, with the same key",
    "once": "it is made once more, with the same key; then a person decides",
    "stop": "a person decides",
}


def claim_statement(plan: Plan, job: str, dialect: str) -> Select[Any]:
    """What a claim asks, of one destination where each row has its own."""
    assert plan.call is not None
    store = store_of(plan, plan.call.state or CallColumns(), job, dialect)
    return Claiming(plan, plan.call, store).statement


def call_in_words(rule: CallRule) -> Iterator[tuple[str, str]]:
    """(part, what it does), in the order in which a row meets them."""
    yield "claim", "; ".join(_claim(rule))
    yield "call", "; ".join(_call(rule))
    yield "record", "; ".join(_record(rule))
    yield "again", "; ".join(_again(rule))


def _claim(rule: CallRule) -> Iterator[str]:
    yield "one short transaction: rows that are due and free become ours, each attempt counted"
    if isinstance(rule.destination, str):
        yield f"up to {rule.concurrency} calls at once"
    else:
        yield f"up to {rule.concurrency} calls at once, {rule.per_destination} of them to one destination"
    for rate in rule.rates:
        yield f"no more than {rate.number:,} in any {format_duration(rate.period)}"


def _call(rule: CallRule) -> Iterator[str]:
    who = rule.destination
    to = who if isinstance(who, str) else f"whom {who.name if isinstance(who, Column) else 'each row'} names"
    seconds = format_duration(timedelta(seconds=rule.timeout))
    yield f"{_name_of(rule.function)} calls {to}, outside of any transaction, within {seconds}"
    if rule.batch > 1:
        yield f"up to {rule.batch:,} rows in one call"


def _record(rule: CallRule) -> Iterator[str]:
    asked = "claim and condition are asked again"
    if rule.unchanged:
        asked += f", and whether {', '.join(column.name for column in rule.unchanged)} changed"
    yield f"a second transaction locks the row; {asked}; what came of the call is written"


def _again(rule: CallRule) -> Iterator[str]:
    yield _delays(rule.delays)
    if rule.horizon is not None:
        yield f"given up {format_duration(rule.horizon)} after the first attempt"
    if rule.look_up is not None:
        yield f"where nobody knows whether a call was done, {_name_of(rule.look_up)} asks first"
    else:
        yield f"where nobody knows whether a call was done, {ON_UNKNOWN[rule.on_unknown]}"


def _delays(delays: CallDelays) -> str:
    if delays.base:
        return f"after {format_duration(delays.base)}, doubled each time, up to {format_duration(delays.most)}"
    if not delays.listed:
        return "never"
    listed = ", ".join(format_duration(delay) for delay in delays.listed)
    return f"after {listed}" + (", and so on" if delays.repeats else "; then no more")


def _name_of(function: Callable[..., Any]) -> str:
    name: str = getattr(function, "__qualname__", type(function).__qualname__)
    return name.replace("<locals>.", "")
