"""PGC-1: doctor says what of pg_cron would hurt, before a job is late."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from sexton.engines.engine_findings import engine_findings
from sexton.engines.pg_cron.cron_database import CronLine, InstalledLine
from sexton.engines.pg_cron.findings import CRON_QUIET, findings_of
from sexton.engines.pg_cron.installation import install
from sexton.engines.pg_cron.options import PgCronOptions
from tests.support.pg_cron import CronShop

NOW = datetime(2026, 12, 1, 12, 0, tzinfo=UTC)
MODERN = {"version": "1.6", "cron.timezone": "GMT", "cron.use_background_workers": "on", "cron.max_running_jobs": "32"}


def line(minutes: float, *, active: bool = True) -> InstalledLine:
    """One that started so many minutes ago."""
    wanted = CronLine("sx:a@shop", "* * * * *", "CALL sexton.a()", "shop")
    return InstalledLine(1, wanted, active, "succeeded", "", NOW - timedelta(minutes=minutes))


def test_a_healthy_one_says_nothing() -> None:
    assert [*findings_of(MODERN, [line(5)], NOW)] == []


@pytest.mark.parametrize(
    ("known", "there", "level", "said"),
    [
        ({"version": "1.4-1"}, [line(5)], "note", "may begin nothing new"),
        ({"cron.use_background_workers": "off"}, [line(5)], "note", "pg_hba.conf"),
        ({"cron.timezone": "Europe/Berlin"}, [line(5)], "wrong", "cron.timezone is Europe/Berlin"),
        ({"cron.max_running_jobs": "1"}, [line(5), line(5)], "note", "runs 1 at once"),
        ({}, [line(5, active=False)], "wrong", "1 of 1 lines are disabled"),
        ({}, [line(CRON_QUIET / timedelta(minutes=1) + 1)], "wrong", "started nothing here since"),
        ({}, [], "wrong", "nothing is scheduled"),
    ],
)
def test_what_would_hurt(known: dict[str, str], there: list[InstalledLine], level: str, said: str) -> None:
    (found,) = findings_of(MODERN | known, there, NOW)
    assert found.level == level
    assert said in found.text


def test_it_is_asked_of_a_real_one(shop: CronShop) -> None:
    (found,) = [one for one in engine_findings(shop.app) if one.level == "wrong"]
    assert "nothing is scheduled" in found.text
    install(shop.app, PgCronOptions())
    assert [one for one in engine_findings(shop.app) if one.level == "wrong"] == []
    shop.do("DELETE FROM sexton.slots WHERE slot > now() + interval '50 days'")
    (low,) = [one for one in engine_findings(shop.app) if one.level == "wrong"]
    assert (low.job, low.text.partition(" until")[0]) == ("policies.codes", "policies.codes has slots")
    shop.do(f"GRANT pg_read_all_settings TO {shop.role}")  # without it nobody sees the settings of pg_cron
    assert any("1.4" in one.text for one in engine_findings(shop.app)), "Debian's"


def test_what_cannot_be_asked_is_a_finding(shop: CronShop) -> None:
    shop.cron(f"REVOKE USAGE ON SCHEMA cron FROM {shop.role}")
    (found,) = engine_findings(shop.app)
    assert found.level == "wrong"
    assert "GRANT USAGE" in found.text
