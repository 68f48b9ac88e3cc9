"""Write the two files to start from, `sexton.toml` and `.env`: every setting, its meaning and its default.

A line `#key = value` shows a default: without its `#` it changes nothing until the value is changed.
Examples, which would change something, are indented behind their `#`.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import Field, fields
from typing import Any

from ..setting_fields import SettingRule, default_of, dotted, groups, leaves, own_settings, rule_of, toml_string
from .dotenv_file import quoted
from .environment import variables
from .job_settings import JobSettings
from .settings import Settings

WIDTH = 100


def toml_template() -> str:
    """The text of a `sexton.toml` that sets nothing and shows everything."""
    lines = [
        "# Settings of Sexton. Remove the # before a key to change its default.",
        "# Stronger than this file: `.env` beside it; stronger still: the environment (SEXTON_TIMEZONE, …).",
        '# Lengths of time are written with their unit: "250ms", "10s", "4m", "36h", "90d".',
    ]
    for declared in own_settings(Settings):
        if default_of(declared) != {}:
            lines += ["", *_toml_setting(declared)]
    for path, cls in groups(Settings):
        lines += ["", "", *_comment(heading(cls)), f"[{dotted(path)}]"]
        for declared in own_settings(cls):
            lines += ["", *_toml_setting(declared)]
    return "\n".join([*lines, "", "", *_toml_tables_by_name(), ""])


def env_template(database: str | None = None) -> str:
    """The text of a `.env` that sets nothing and shows every variable.

    database: shown in place of the default; it must hold no password.
    """
    lines = [
        "# Settings of Sexton as environment variables: copy what you need to `.env`, beside `sexton.toml`.",
        "# Remove the # before a name to change its default. Nothing is put in for a $; a value with blanks stands in",
        "# single quotes.",
    ]
    names = {path: name for name, (path, _) in variables().items()}
    for path, declared, _ in leaves(Settings):
        if path not in names:
            continue
        default, rule = default_of(declared), rule_of(declared)
        lines += ["", *_comment(rule.meaning + limits(declared))]
        if database is not None and path == ("database",):
            lines.append(f"#{names[path]}={quoted(database)}")
        elif default in ((), None):
            lines.append(f"#   {names[path]}={quoted(env_text(rule.example))}")
        else:
            lines.append(f"#{names[path]}={quoted(env_text(default))}")
    return "\n".join([*lines, ""])


def heading(cls: type) -> str:
    """What a group of settings is about: the first line of its docstring."""
    return (cls.__doc__ or cls.__name__).partition("\n")[0].rstrip(".")


def limits(declared: Field[Any]) -> str:
    """The limits of a setting as a remark behind its meaning; "" when it has none."""
    rule = rule_of(declared)
    if rule.minimum is None:
        return ""
    return f" (from {rule.minimum})" if rule.maximum is None else f" ({rule.minimum} to {rule.maximum})"


def rule_of_name(name: str) -> SettingRule:
    """The rule of a top-level setting."""
    return rule_of(next(declared for declared in fields(Settings) if declared.name == name))


def toml_value(value: object) -> str:
    """A text, number, truth value, list or table as TOML writes it."""
    if isinstance(value, Mapping):
        pairs = ", ".join(f"{dotted((key,))} = {toml_value(item)}" for key, item in value.items())
        return f"{{ {pairs} }}" if pairs else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(toml_value(item) for item in value)}]"
    return toml_string(value) if isinstance(value, str) else json.dumps(value)


def env_text(value: object) -> str:
    """A value as the text of a variable: lists with commas, truth values as TOML has them."""
    if isinstance(value, bool):
        return toml_value(value)
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _toml_setting(declared: Field[Any]) -> Iterator[str]:
    rule, default = rule_of(declared), default_of(declared)
    yield from _comment(rule.meaning + limits(declared))
    if rule.example is not None:
        yield f"#   {declared.name} = {toml_value(rule.example)}"
    if default is not None:
        yield f"#{declared.name} = {toml_value(default)}"


def _toml_tables_by_name() -> Iterator[str]:
    table = dotted(("job", "marketplace.expire_orders"))
    yield from _comment(f"{rule_of_name('job').meaning}. The name stands in quotes, for its dot:")
    yield from ("#", f"#   [{table}]")
    for declared in fields(JobSettings):
        rule = rule_of(declared)
        yield f"#   {declared.name} = {toml_value(rule.example)}  # {rule.meaning}{limits(declared)}"
    yield ""
    yield from _comment(f"{rule_of_name('policies').meaning}. It only counts until `sexton arm stale_sessions`:")
    yield from ("#", "#   [policies.stale_sessions]", '#   purge = "public.sessions"', '#   by = "expires_at"')
    yield ""
    yield from _comment(f"{rule_of_name('route').meaning}; each with more keys, see the manual:")
    yield from ("#", "#   [route.order_expired]", '#   event = "order_expired"', '#   channel = "log"')
    yield ""
    yield from _comment(f"{rule_of_name('pack').meaning}:")
    yield from ("#", "#   [pack.marketplace.tables]", '#   licenses = "vendor_licences"')
    yield ""
    yield from _comment(f"{rule_of_name('engines').meaning}:")
    yield from ("#", "#   [engines.celery]", '#   broker = "env:CELERY_BROKER_URL"')


def _comment(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False)
