"""How far a visit came that could not do its work: what is said of one database holds for no other."""

from __future__ import annotations

from pathlib import Path

from sexton.db.connect import open_database
from sexton.db.migrate import migrate
from sexton.fleet.caps import STRIKES, Caps
from sexton.fleet.database import DatabaseState, FleetDatabase
from sexton.fleet.identity import take_in
from sexton.fleet.job_visits import job_visits
from sexton.fleet.results import GridColumn
from sexton.fleet.summary import Summary
from sexton.runs.stop_signals import Stop
from tests.support.fleet_runners import errand
from tests.support.merchant_fleet import INSTALLATION, fill


def test_files_that_are_no_databases_keep_nobody_from_the_others(tmp_path: Path) -> None:
    """After three of them all others were taken to be on a server that is down."""
    fleet = [
        FleetDatabase(name, f"sqlite:///{tmp_path}/{name}.db", None, "sqlite", {}, DatabaseState.ACTIVE)
        for name in (*(f"bad_{one}" for one in range(STRIKES)), "good")
    ]
    for spoilt in fleet[:-1]:
        (tmp_path / f"{spoilt.name}.db").write_bytes(b"this is no database" * 100)
    engine = open_database(fleet[-1].address)
    migrate(engine)
    fill(engine)
    with engine.begin() as connection:
        take_in(connection, fleet[-1], INSTALLATION)
    engine.dispose()

    summary = Summary()
    for reports in job_visits(fleet, errand(dialect="sqlite", dry_run=True), Caps(1, 1), Stop()).reports():
        for report in reports:
            summary.take(report)

    (cells,) = summary.grid.values()
    assert cells == {GridColumn.FAILED: STRIKES, GridColumn.DONE: 1}
