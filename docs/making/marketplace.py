"""The page of the marketplace pack: its jobs, options, tables and events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any, get_origin

from sqlalchemy import Table
from sqlalchemy.types import Integer, Text

from sexton.config.template import toml_value
from sexton.config.value_types import WORDS
from sexton.db.column_types import is_time
from sexton.jobs.job import Job
from sexton.packs.marketplace import jobs
from sexton.packs.marketplace.options import Options
from sexton.packs.marketplace.tables import tables
from sexton.policies.contract import Plan
from sexton.setting_fields import SettingRule, annotations_of, default_of, rule_of

from .markdown import code, inline, page, sentence, table

OPTIONAL = {"key": "key", "recipient": "recipient"}
"""Columns of a product's outbox that are written only when they are mapped."""


def marketplace() -> str:
    """Jobs, options, tables and events of the pack."""
    return page("The marketplace pack", "src/sexton/packs/marketplace", _parts())


def _parts() -> Iterator[str]:
    yield (
        'Enabled by `packs = ["marketplace"]` in `sexton.toml`. How to set it up, and what the product itself must do: '
        "[the marketplace pack, step by step](../how-to/marketplace.md)."
    )
    made = jobs(Options(), "postgresql")
    yield "## Jobs"
    yield 'They run in this order, and so do their steps. [`[job."NAME"]`](settings.md#jobname) moves or stops one.'
    yield table(["job", "schedule", "timeout", "steps", "what it does"], (_job(job) for job in made))
    yield "## Options"
    yield (
        "In the table `[pack.marketplace]` of `sexton.toml`. A duration counts days of 24 hours. `nudge_after` must be "
        "shorter than `expire_after`."
    )
    yield table(["key", "type", "default", "meaning"], _options())
    yield "## Tables and columns"
    yield (
        "What the jobs read and write, under the pack's own names; `tables` and `columns` map them to yours. Your "
        "tables may have more columns. `payments` is not read when `payment_holds` is empty, "
        "`notifications.read_at` only with `only_read`, `inventory.available` only by `settle_late`; "
        "`stores.vendor_id`, `stores.name` and `notifications.user_id` are there for the demonstration."
    )
    yield (
        "Unless `outbox_events` is mapped, messages go to [Sexton's own outbox](tables.md#outbox_events). In a mapped "
        "one, `key` and `recipient` are written only when they are mapped, too."
    )
    yield table(["table", "columns", "indexes that the jobs need"], _tables())
    yield "## Events"
    yield "Messages that the jobs write. The effect key decides that each is written once."
    yield table(["event", "written by", "to", "fields of the payload"], _events(made))
    yield (
        "`order_paid_after_expiry` is written by `settle_late`, not by a job; see "
        "[late payments](../how-to/marketplace.md#late-payments)."
    )


def _job(job: Job) -> list[str]:
    assert job.schedule is not None
    steps = ", ".join(code(plan.step) for plan in _plans(job))
    schedule = f"`{job.schedule.text}`: {job.schedule.words()}"
    return [code(job.name), schedule, job.timeout, steps, sentence(job.description)]


def _plans(job: Job) -> list[Plan]:
    policies: Any = job.load()
    return [policy.plan() for policy in policies]


def _options() -> Iterator[list[str]]:
    annotations = annotations_of(Options)
    for declared in fields(Options):
        rule, default = rule_of(declared), default_of(declared)
        shown = code("{}" if default == {} else toml_value(default))
        meaning = inline(rule.meaning + _limits(rule))
        yield [code(declared.name), _type(annotations[declared.name], rule), shown, meaning]


def _type(annotation: Any, rule: SettingRule) -> str:
    origin = get_origin(annotation)
    if origin is tuple:
        return "list of texts"
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return "table"
    words = {str: WORDS[rule.kind].removeprefix("a "), int: "whole number", bool: "true or false"}
    return words[annotation]


def _limits(rule: SettingRule) -> str:
    if rule.minimum is None:
        return ""
    return f" ({rule.minimum} to {rule.maximum})" if rule.maximum is not None else f" (at least {rule.minimum})"


def _tables() -> Iterator[list[str]]:
    mapped = Options(tables={"outbox_events": "outbox_events"}, columns={"outbox_events": OPTIONAL})
    for own in tables(mapped).metadata.tables.values():
        columns = ", ".join(f"`{column.key}` {_kind(column.type)}" for column in own.columns)
        yield [code(own.name), columns, "; ".join(_indexes(own))]


def _kind(column_type: Any) -> str:
    if is_time(column_type):
        return "instant"
    return "number" if isinstance(column_type, Integer) else "text" if isinstance(column_type, Text) else "JSON"


def _indexes(own: Table) -> list[str]:
    return [f"({', '.join(code(column.key) for column in index.columns)})" for index in _sorted(own)]


def _sorted(own: Table) -> list[Any]:
    return sorted(own.indexes, key=lambda index: str(index.name))


def _events(made: Any) -> Iterator[list[str]]:
    for job in made:
        for plan in _plans(job):
            for message in plan.messages:
                payload = ", ".join(code(name) for name in message.payload)
                event = code(message.event) if message.event else "(on record only)"
                yield [event, f"`{job.name}`, step `{plan.step}`", _recipient(message.to), payload]


def _recipient(to: Any) -> str:
    """The column that holds who is told."""
    if to is None:
        return ""
    columns = [column for column in to.base_columns if hasattr(column, "table")]
    if columns:
        return code(f"{columns[0].table.name}.{columns[0].key}")
    selected = to.element.selected_columns[0]
    return code(f"{selected.table.name}.{selected.key}")
