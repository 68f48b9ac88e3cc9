"""A plugin: counts skipped tests by reason at the end, and fails a run that leaves processes behind."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from .leaks import mark_our_children, processes_left

_left: list[str] = []


def pytest_configure(config: pytest.Config) -> None:
    """Each test process marks what it starts."""
    mark_our_children()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Runs in each worker once the last fixture is gone, and then in the process that started them."""
    output: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["processes_left"] = processes_left()
        return
    if not session.config.getoption("numprocesses", None):
        _left.extend(processes_left())
    if _left and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """A worker of xdist has ended: take over what it found."""
    _left.extend(getattr(node, "workeroutput", {}).get("processes_left", []))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what was skipped and why, and what was left behind."""
    reports = terminalreporter.stats.get("skipped", [])
    reasons = Counter(_reason(report) for report in reports)
    if reasons:
        terminalreporter.section(f"skipped: {len(reports)}")
        for reason, times in reasons.most_common():
            terminalreporter.line(f"{times:5}  {reason}")
    if _left:
        terminalreporter.section("processes left behind", red=True)
        for process in _left:
            terminalreporter.line(process)


def _reason(report: pytest.TestReport) -> str:
    text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return text.removeprefix("Skipped: ")
