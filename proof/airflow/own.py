"""One of Airflow's own clean-ups, by its own code.  own.py NAME: in the database of its settings; prove.py runs it.

A table's name stands for `airflow db clean --tables TABLE --skip-archive` of that table alone, with
--clean-before-timestamp 30 days ago.
"""

import sys
from datetime import timedelta

from airflow._shared.timezones import timezone
from airflow.utils import db_cleanup
from airflow.utils.session import create_session

KEEP = timedelta(days=30)


def db_clean(table):
    """As that command does it."""

    def run():
        with create_session() as session:
            db_cleanup._cleanup_table(
                clean_before_timestamp=timezone.utcnow() - KEEP,
                dry_run=False,
                verbose=False,
                skip_archive=True,
                session=session,
                batch_size=None,
                **db_cleanup.config_dict[table].__dict__,
            )

    return run


def db_clean_all():
    """airflow db clean: all tables in its own order."""
    db_cleanup.run_cleanup(
        clean_before_timestamp=timezone.utcnow() - KEEP,
        dry_run=False,
        confirm=False,
        skip_archive=True,
        error_on_cleanup_failure=True,
    )


def scheduler():
    from airflow.jobs.scheduler_job_runner import SchedulerJobRunner

    runner = SchedulerJobRunner.__new__(SchedulerJobRunner)
    runner.executors, runner._multi_team = [], False
    return runner


def triggers_unused():
    """models.trigger.Trigger.clean_unused (triggerer loop)"""
    from airflow.models.trigger import Trigger

    Trigger.clean_unused()


def triggers_unreferenced():
    """SchedulerJobRunner._remove_unreferenced_triggers"""
    scheduler()._remove_unreferenced_triggers()


def dag_warnings():
    """DagWarning.purge_inactive_dag_warnings"""
    from airflow.models.dagwarning import DagWarning

    DagWarning.purge_inactive_dag_warnings()


def task_state_expired():
    """airflow.state.metastore.MetastoreBackend.cleanup (airflow state-store cleanup)"""
    from airflow.state.metastore import MetastoreBackend

    MetastoreBackend().cleanup()


def revoked_tokens_expired():
    """RevokedToken._maybe_cleanup_expired (api server, on is_revoked)"""
    from airflow.models.revoked_token import RevokedToken

    RevokedToken._last_cleanup_time = -1e12
    RevokedToken.is_revoked("none")


def sessions_expired():
    """flask session_cleanup (flask_session SqlAlchemySessionInterface._delete_expired_sessions)"""
    from airflow.providers.fab.www.app import create_app

    app = create_app(enable_plugins=False)
    with app.app_context():
        app.session_interface._delete_expired_sessions()


def connection_tests_stale():
    """SchedulerJobRunner._reap_stale_connection_tests"""
    scheduler()._reap_stale_connection_tests()


def scheduler_jobs_dead():
    """the first statement of SchedulerJobRunner.adopt_or_reset_orphaned_tasks"""
    scheduler().adopt_or_reset_orphaned_tasks()


def backfills_complete():
    """SchedulerJobRunner._mark_backfills_complete"""
    scheduler()._mark_backfills_complete()


def assets_orphaned():
    """SchedulerJobRunner._update_asset_orphanage: asset_active, then asset_state_store"""
    scheduler()._update_asset_orphanage()


def deadlines_met():
    """Deadline.prune_deadlines, for each run that has succeeded (DagRun.update_state calls it)"""
    from airflow.models.dagrun import DagRun
    from airflow.models.deadline import Deadline
    from sqlalchemy import select

    with create_session() as session:
        for pk in session.scalars(select(DagRun.id).where(DagRun.state == "success")).all():
            Deadline.prune_deadlines(session=session, conditions={DagRun.id: pk})


OWN = (
    db_clean_all,
    triggers_unused,
    triggers_unreferenced,
    dag_warnings,
    task_state_expired,
    revoked_tokens_expired,
    sessions_expired,
    connection_tests_stale,
    scheduler_jobs_dead,
    backfills_complete,
    assets_orphaned,
    deadlines_met,
)

if __name__ == "__main__":
    own = {function.__name__: function for function in OWN}
    try:
        own.get(sys.argv[1], db_clean(sys.argv[1]))()
    except Exception as error:
        sys.exit(f"{type(error).__name__}: {str(error).splitlines()[0][:200]}")
