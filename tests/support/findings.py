"""What the doctor finds about one job, for tests."""

from __future__ import annotations

from sqlalchemy import Engine, text

from sexton import Job
from sexton.doctor.diagnose import diagnose
from sexton.doctor.finding import Finding


def examined(engine: Engine, job: Job, *, sampling: bool = False) -> list[Finding]:
    """All findings about the job, and none about the database."""
    return [finding for finding in diagnose(engine, [job], size=500, sampling=sampling) if finding.job]


def of_database(engine: Engine) -> list[Finding]:
    """Findings about the database itself."""
    return list(diagnose(engine, [], size=500))


def about(findings: list[Finding], topic: str) -> list[Finding]:
    """Those about one thing."""
    return [finding for finding in findings if finding.about == topic]


def levels(findings: list[Finding], *, at_least: str = "warning") -> list[tuple[str, str]]:
    """Level and topic of what is worth acting on."""
    worse = ("warning", "wrong") if at_least == "warning" else ("wrong",)
    return [(finding.level, finding.about) for finding in findings if finding.level in worse]


def apply(engine: Engine, *lines: str) -> None:
    """Run statements as people would who copy them: each in no transaction of theirs."""
    options = {"isolation_level": "AUTOCOMMIT"} if engine.dialect.name == "postgresql" else {}
    with engine.connect().execution_options(**options) as connection:
        for line in lines:
            connection.execute(text(line.rstrip(";")))
        connection.commit()
