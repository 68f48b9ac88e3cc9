"""Sexton does the time-driven work of a product's database: on time, once, without hurting the neighbours.

    from sexton import Job, Purge, every

Everything public is here and is loaded when it is first used, so that naming jobs and schedules costs no SQLAlchemy.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from .version import __version__ as __version__

if TYPE_CHECKING:
    from .app import App as App
    from .call_outcomes import Again as Again
    from .call_outcomes import CallOutcome as CallOutcome
    from .call_outcomes import Done as Done
    from .call_outcomes import Down as Down
    from .call_outcomes import Failed as Failed
    from .call_outcomes import Gone as Gone
    from .call_outcomes import Unknown as Unknown
    from .channels.http_call import HttpAnswer as HttpAnswer
    from .channels.http_call import http_call as http_call
    from .cli.main import main as main
    from .config import setting as setting
    from .db.column_types import UtcDateTime as UtcDateTime
    from .db.column_types import Word as Word
    from .db.effect_keys import effect_key as effect_key
    from .db.ledger import delivered as delivered
    from .db.ledger import set_aside as set_aside
    from .db.ledger import text_key as text_key
    from .db.ledger import told as told
    from .db.outbox_table import Outbox as Outbox
    from .db.outbox_table import own_outbox as own_outbox
    from .db.server_clock import ask_now as ask_now
    from .db.sql_expressions import as_text as as_text
    from .db.sql_expressions import days_left as days_left
    from .db.sql_expressions import iso_text as iso_text
    from .db.sql_expressions import json_payload as json_payload
    from .db.sql_expressions import only_if as only_if
    from .db.time_parameters import ago as ago
    from .db.time_parameters import ahead as ahead
    from .db.time_parameters import now as now
    from .db.time_parameters import today as today
    from .db.watermarks import rolled_up as rolled_up
    from .errors import CallCancelled as CallCancelled
    from .errors import PolicyError as PolicyError
    from .errors import SextonError as SextonError
    from .jobs.backoff import parse_backoff as parse_backoff
    from .jobs.duration import parse_duration as parse_duration
    from .jobs.guard_options import Guard as Guard
    from .jobs.job import Job as Job
    from .jobs.job import LazyWork as LazyWork
    from .jobs.misfire import Misfire as Misfire
    from .jobs.on_demand import OnDemand as OnDemand
    from .jobs.on_demand import Wish as Wish
    from .jobs.pack import Demonstration as Demonstration
    from .jobs.pack import Pack as Pack
    from .jobs.schedule import cron as cron
    from .jobs.schedule import every as every
    from .outbox.write import tell as tell
    from .policies.call import Call as Call
    from .policies.call_rule import Attempt as Attempt
    from .policies.call_rule import CallColumns as CallColumns
    from .policies.coarser_rollup import CoarserRollup as CoarserRollup
    from .policies.contract import Change as Change
    from .policies.contract import Found as Found
    from .policies.contract import Message as Message
    from .policies.contract import Plan as Plan
    from .policies.contract import Policy as Policy
    from .policies.counter_entry import CounterEntry as CounterEntry
    from .policies.purge import Child as Child
    from .policies.purge import Purge as Purge
    from .policies.rollup import Rollup as Rollup
    from .policies.rollup_rule import RollupReport as RollupReport
    from .policies.transition import Transition as Transition
    from .policies.warn_once import WarnOnce as WarnOnce
    from .relay.routes import Route as Route
    from .run_counts import Counts as Counts
    from .runs.python_functions import Run as Run
    from .runs.requests.request_run import RequestRun as RequestRun

_HOMES = {
    "App": "app",
    **dict.fromkeys(("Again", "CallOutcome", "Done", "Down", "Failed", "Gone", "Unknown"), "call_outcomes"),
    **dict.fromkeys(("HttpAnswer", "http_call"), "channels.http_call"),
    "main": "cli.main",
    "setting": "config",
    **dict.fromkeys(("as_text", "days_left", "iso_text", "json_payload", "only_if"), "db.sql_expressions"),
    "effect_key": "db.effect_keys",
    **dict.fromkeys(("delivered", "set_aside", "text_key", "told"), "db.ledger"),
    **dict.fromkeys(("ago", "ahead", "now", "today"), "db.time_parameters"),
    **dict.fromkeys(("Outbox", "own_outbox"), "db.outbox_table"),
    "ask_now": "db.server_clock",
    **dict.fromkeys(("UtcDateTime", "Word"), "db.column_types"),
    "rolled_up": "db.watermarks",
    **dict.fromkeys(("CallCancelled", "PolicyError", "SextonError"), "errors"),
    "parse_backoff": "jobs.backoff",
    "parse_duration": "jobs.duration",
    "Guard": "jobs.guard_options",
    **dict.fromkeys(("Job", "LazyWork"), "jobs.job"),
    "Misfire": "jobs.misfire",
    **dict.fromkeys(("Demonstration", "Pack"), "jobs.pack"),
    **dict.fromkeys(("cron", "every"), "jobs.schedule"),
    "tell": "outbox.write",
    "Call": "policies.call",
    **dict.fromkeys(("Attempt", "CallColumns"), "policies.call_rule"),
    **dict.fromkeys(("Change", "Found", "Message", "Plan", "Policy"), "policies.contract"),
    "CounterEntry": "policies.counter_entry",
    **dict.fromkeys(("Child", "Purge"), "policies.purge"),
    "Rollup": "policies.rollup",
    "CoarserRollup": "policies.coarser_rollup",
    "RollupReport": "policies.rollup_rule",
    "Transition": "policies.transition",
    "WarnOnce": "policies.warn_once",
    "Route": "relay.routes",
    "Counts": "run_counts",
    "Run": "runs.python_functions",
    **dict.fromkeys(("OnDemand", "Wish"), "jobs.on_demand"),
    "RequestRun": "runs.requests.request_run",
}

__all__ = [*sorted(_HOMES), "__version__"]  # noqa: PLE0604


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'sexton' has no attribute {name!r}")
    return getattr(import_module(f".{home}", __name__), name)


def __dir__() -> list[str]:
    return __all__
