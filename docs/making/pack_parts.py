"""Parts of the page of a pack: its jobs, options, tables and events, from the code."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from typing import Any, get_origin

from sqlalchemy import MetaData, Table
from sqlalchemy.types import Boolean, Integer, Text, Uuid

from sexton.config.template import toml_value
from sexton.config.value_types import WORDS
from sexton.db.column_types import Word, is_time
from sexton.jobs.job import Job
from sexton.policies.contract import Plan
from sexton.setting_fields import SettingRule, annotations_of, default_of, rule_of

from .markdown import code, inline, sentence, table


def jobs_table(made: Iterable[Job]) -> str:
    """Each job, with its schedule and steps."""
    return table(["job", "schedule", "timeout", "steps", "what it does"], (_job(job) for job in made))


def options_table(options: type[Any]) -> str:
    """Each option of `[pack.NAME]`."""
    return table(["key", "type", "default", "meaning"], _options(options))


def tables_table(metadata: MetaData) -> str:
    """Each table, with its columns and indexes."""
    return table(["table", "columns", "indexes that the jobs need"], _tables(metadata))


def events_table(made: Iterable[Job], further: Iterable[list[str]] = ()) -> str:
    """Each message that the jobs write. further: rows about others."""
    headings = ["event", "written by", "to", "fields of the payload"]
    return table(headings, [*(row for job in made for row in _events(job)), *further])


def _job(job: Job) -> list[str]:
    steps = ", ".join(code(name) for name in _steps(job))
    schedule = job.due_words if job.schedule is None else f"`{job.schedule.text}`: {job.schedule.words()}"
    return [code(job.name), schedule, job.timeout, steps, sentence(job.description)]


def _steps(job: Job) -> list[str]:
    return [work.__name__ if callable(work) else work.plan().step for work in _works(job)]


def _plans(job: Job) -> list[Plan]:
    return [work.plan() for work in _works(job) if not callable(work)]


def _works(job: Job) -> list[Any]:
    """Its steps; a job on demand is one function, whose name nobody need know."""
    works: Any = job.load()
    if job.on_demand is not None:
        return []
    return works if isinstance(works, list) else [works]


def _options(options: type[Any]) -> Iterator[list[str]]:
    annotations = annotations_of(options)
    for declared in fields(options):
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


def _tables(metadata: MetaData) -> Iterator[list[str]]:
    for own in metadata.tables.values():
        columns = ", ".join(f"`{column.key}` {_kind(column.type)}" for column in own.columns)
        yield [code(own.name), columns, "; ".join(_indexes(own))]


def _kind(column_type: Any) -> str:
    if is_time(column_type):
        return "instant"
    kinds = ((Integer, "number"), (Boolean, "true or false"), ((Text, Word, Uuid), "text"))
    return next((word for kind, word in kinds if isinstance(column_type, kind)), "JSON")


def _indexes(own: Table) -> list[str]:
    return [f"({', '.join(code(column.key) for column in index.columns)})" for index in _sorted(own)]


def _sorted(own: Table) -> list[Any]:
    return sorted(own.indexes, key=lambda index: str(index.name))


def _events(job: Job) -> Iterator[list[str]]:
    for plan in _plans(job):
        told = () if plan.call is None or plan.call.tell is None else (plan.call.tell,)
        for message in (*plan.messages, *told):
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
