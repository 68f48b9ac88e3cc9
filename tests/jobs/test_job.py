"""A job's definition: what it takes, what it refuses, and work that is imported late."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from sexton.errors import PolicyError, ScheduleError, UsageError
from sexton.jobs.backoff import parse_backoff
from sexton.jobs.job import Job, LazyWork
from sexton.jobs.misfire import COALESCE
from sexton.jobs.schedule import cron


@pytest.fixture
def shop_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A module of a user, importable but not imported; its name."""
    (tmp_path / "shop_work.py").write_text(
        "limit = 5\n"
        "def purge(table, keep='30d'):\n    return ('purge', table, keep)\n"
        "def broken():\n    raise RuntimeError('inside the function')\n"
    )
    (tmp_path / "shop_without.py").write_text("import a_package_nobody_has\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield "shop_work"
    sys.modules.pop("shop_work", None)


def test_a_job_is_one_definition_with_sensible_defaults() -> None:
    work = object()

    job = Job("marketplace.expire_orders", schedule=cron("10 4 * * *", tz="UTC"), timeout="90s", work=work)

    assert (job.name, job.time_limit, job.load()) == ("marketplace.expire_orders", timedelta(seconds=90), work)
    assert (job.priority, job.retry, job.misfire, job.description) == (0, None, COALESCE, "")


def test_a_job_without_schedule_runs_only_by_hand() -> None:
    assert Job("backfill", work=print).schedule is None
    assert Job("backfill", work=print).time_limit == timedelta(minutes=4)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "Expire",
        "expire-orders",
        "shop.",
        ".shop",
        "shop..expire",
        "1shop",
        "shop.1",
        "shop expire",
        "a\n",
        "\u00e9",
        None,
    ],
)
def test_a_name_that_is_not_dotted_lower_case_words_is_refused(name: str) -> None:
    with pytest.raises(PolicyError, match="lower-case words joined by dots") as refusal:
        Job(name, work=print)

    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("name", ["a", "shop.expire_orders2", "mail_forwarding.a.b"])
def test_dotted_lower_case_words_are_a_name(name: str) -> None:
    assert Job(name, work=print).name == name


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"schedule": "10 4 * * *"}, r"job shop\.expire: schedule must be cron\(\.\.\.\), every\(\.\.\.\) or None"),
        ({"timeout": "4"}, r"job shop\.expire: timeout: '4' is not a duration \(the unit is missing\)"),
        ({"timeout": "0s"}, r"job shop\.expire: timeout must be longer than 0s"),
        ({"work": None}, r"job shop\.expire: work must be"),
        ({"work": "shop.work:expire"}, r"job shop\.expire: work must be a policy, a function or LazyWork"),
        ({"retry": ["1h"]}, r"job shop\.expire: retry must be parse_backoff"),
        ({"misfire": "all"}, r"job shop\.expire: misfire must be Misfire"),
        ({"guard": True}, r"job shop\.expire: guard must be Guard\(\.\.\.\) or None"),
        ({"priority": "high"}, r"job shop\.expire: priority must be a whole number"),
    ],
)
def test_a_wrong_field_is_refused_in_one_line_that_names_the_job(wrong: dict[str, object], reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        Job("shop.expire", **{"work": print, "retry": parse_backoff(["1h"]), **wrong})  # type: ignore[arg-type]


def test_later_imports_nothing_until_the_job_runs(shop_work: str) -> None:
    job = Job("shop.purge", work=LazyWork("shop_work:purge", ("orders",)))
    before = shop_work in sys.modules

    assert job.load() == ("purge", "orders", "30d")
    assert (before, shop_work in sys.modules) == (False, True)


@pytest.mark.parametrize(
    "path", ["", "shop", "shop:", ":purge", "shop.work.purge", "shop/work.py:purge", "shop:a.b", "shop:purge\n", None]
)
def test_a_path_of_another_shape_is_refused_at_once(path: str) -> None:
    with pytest.raises(PolicyError, match="module:function") as refusal:
        LazyWork(path)

    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("nowhere.at_all:purge", "No module named 'nowhere'"),
        ("shop_without:purge", "No module named 'a_package_nobody_has'"),
        ("shop_work:pruge", "no function 'pruge'; did you mean purge"),
        ("shop_work:limit", "no function 'limit'"),
    ],
)
def test_a_path_that_leads_nowhere_is_refused_when_it_is_loaded(shop_work: str, path: str, reason: str) -> None:
    with pytest.raises(PolicyError, match=reason):
        Job("shop.purge", work=LazyWork(path)).load()


def test_an_error_inside_the_function_names_its_line(shop_work: str) -> None:
    with pytest.raises(
        PolicyError, match=r"work 'shop_work:broken': .*shop_work.py:\d+: RuntimeError: inside the func"
    ):
        LazyWork("shop_work:broken").load()


def test_a_definition_cannot_be_changed_afterwards() -> None:
    job = Job("shop.expire", work=print)

    with pytest.raises(AttributeError):
        job.timeout = "9h"  # type: ignore[misc]


def test_a_wrong_timeout_is_a_schedule_error_so_that_it_ends_a_command_with_2() -> None:
    with pytest.raises(ScheduleError) as refusal:
        Job("shop.expire", work=print, timeout="4 minuts")

    assert refusal.value.exit_code == 2
