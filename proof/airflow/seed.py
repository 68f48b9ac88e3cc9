"""Seed rows for every clean-up: well before, just before, just after the cutoff, NULLs, excluded ones, children.

seed.py [--poison]: in the database of Airflow's settings; prove.py runs it. Times are relative to now.
T = now - 30 days is the cutoff of `airflow db clean`. --poison adds rows at which `airflow db clean` itself stops:
an old trigger that a callback refers to (NO ACTION), an old dag whose version a task instance refers to (RESTRICT).
"""

import os
import sys
import uuid
from datetime import UTC, datetime, timedelta

import psycopg
from psycopg import sql
from psycopg.types.json import Json

D, H, MI, S = (
    (lambda n: timedelta(days=n)),
    (lambda n: timedelta(hours=n)),
    (lambda n: timedelta(minutes=n)),
    (lambda n: timedelta(seconds=n)),
)
NOW = datetime.now(UTC)
KEEP, HOUR = D(30), H(1)
POISON = "--poison" in sys.argv
con = psycopg.connect(os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"].replace("+psycopg2", ""))


def ins(table, _returning=None, **cols):
    cols = {k: Json(v) if isinstance(v, (dict, list)) else v for k, v in cols.items()}
    q = sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
        sql.Identifier(table),
        sql.SQL(",").join(map(sql.Identifier, cols)),
        sql.SQL(",").join(sql.Placeholder() * len(cols)),
    )
    if _returning:
        q += sql.SQL(" RETURNING {}").format(sql.Identifier(_returning))
    cur = con.execute(q, list(cols.values()))
    return cur.fetchone()[0] if _returning else None


def uid(*parts):
    return uuid.uuid5(uuid.NAMESPACE_URL, "/".join(map(str, parts)))


def around(keep, step=HOUR):
    return [
        ("well-before", NOW - keep - D(100)),
        ("just-before", NOW - keep - step),
        ("just-after", NOW - keep + step),
        ("fresh", NOW - min(step, keep) / 2 if keep else NOW + D(60)),
    ]


OLD, MID = NOW - D(90), NOW - D(60)


def naive(t):
    return t.replace(tzinfo=None)


ins("dag_bundle", name="b", active=True)


def dag(dag_id, parsed=NOW, stale=False):
    ins(
        "dag",
        dag_id=dag_id,
        is_paused=False,
        is_stale=stale,
        last_parsed_time=parsed,
        bundle_name="b",
        fileloc="f",
        relative_fileloc="f",
        timetable_type="t",
        partition_mapper_info=[],
        max_active_tasks=1,
        max_consecutive_failed_dag_runs=0,
        has_task_concurrency_limits=False,
    )


def version(dag_id, n, created):
    v = uid("dv", dag_id, n)
    ins("dag_version", id=v, version_number=n, dag_id=dag_id, bundle_name="b", created_at=created, last_updated=NOW)
    s = uid("sd", dag_id, n)
    ins(
        "serialized_dag",
        id=s,
        dag_id=dag_id,
        data={},
        created_at=created,
        last_updated=NOW,
        dag_hash="h",
        dag_version_id=v,
    )
    ins(
        "dag_code",
        id=uid("dc", dag_id, n),
        dag_id=dag_id,
        fileloc="f",
        created_at=created,
        last_updated=NOW,
        source_code="",
        source_code_hash="h",
        dag_version_id=v,
    )
    ins(
        "deadline_alert",
        id=uid("da", dag_id, n),
        created_at=created,
        serialized_dag_id=s,
        reference={},
        interval={},
        callback_def={},
    )
    return v


serial = iter(range(1, 10**6))


def run(dag_id, label, start, kind="scheduled", **cols):
    i = next(serial)
    cols = {"end_date": start + MI(5) if start else None, "state": "success", **cols}
    return ins(
        "dag_run",
        "id",
        dag_id=dag_id,
        run_id=f"{label}",
        run_type=kind,
        start_date=start,
        run_after=start or NOW,
        logical_date=NOW - D(400) + H(i),
        span_status="x",
        **cols,
    )


def ti(dag_id, run_id, task, start, map_index=-1, **cols):
    i = uid("ti", dag_id, run_id, task, map_index)
    ins(
        "task_instance",
        id=i,
        dag_id=dag_id,
        run_id=run_id,
        task_id=task,
        map_index=map_index,
        start_date=start,
        try_number=1,
        pool="default_pool",
        pool_slots=1,
        span_status="x",
        **{"state": "success", **cols},
    )
    return i


def below_ti(dag_id, run_id, run_pk, task, i, fresh=NOW):
    """One row in everything that hangs on a task instance; their own times are fresh: only the cascade takes them."""
    key = {"dag_id": dag_id, "run_id": run_id, "task_id": task, "map_index": -1}
    ins("xcom", dag_run_id=run_pk, key="k", value={}, timestamp=fresh, **key)
    ins("task_map", length=1, **key)
    ins("rendered_task_instance_fields", rendered_fields={}, **key)
    h = uid("tih", dag_id, run_id, task)
    ins(
        "task_instance_history",
        task_instance_id=h,
        try_number=0,
        start_date=fresh,
        pool="p",
        pool_slots=1,
        span_status="x",
        **key,
    )
    ins("hitl_detail_history", ti_history_id=h, options=[], subject="s", params={}, created_at=fresh, params_input={})
    ins("hitl_detail", ti_id=i, options=[], subject="s", params={}, created_at=fresh, params_input={})
    ins("task_instance_note", ti_id=i, content="n", created_at=fresh, updated_at=fresh)
    ins("task_reschedule", ti_id=i, start_date=fresh, end_date=fresh, duration=1, reschedule_date=fresh)


dag("base")
base = run("base", "base-run", NOW)  # fresh, the last one: never due
base2 = run("base", "base-run2", NOW - H(2))
asset = ins("asset", "id", name="a", uri="u", group="g", extra={}, created_at=NOW, updated_at=NOW)
ins("asset_active", name="a", uri="u")
ins("task_outlet_asset_reference", asset_id=asset, dag_id="base", task_id="t", created_at=NOW, updated_at=NOW)

# ---- plain tables --------------------------------------------------------------------------------------------------
for label, t in [*around(KEEP), ("null", None)]:
    ins("job", dag_id="base", state="success", job_type=f"J{label}", latest_heartbeat=t)
    ins("import_error", timestamp=t, filename=label, bundle_name="b", stacktrace="s")
    ins("log", dttm=t, dag_id="base", event=label)
    ins("session", session_id=f"s-{label}", data=b"\x00", expiry=naive(t) if t else None)
for label, t in around(D(0)):
    ins("session", session_id=f"s0-{label}", data=b"\x00", expiry=naive(t))
    ins("revoked_token", jti=f"0-{label}", exp=t)
    ins(
        "task_state_store",
        dag_run_id=base,
        task_id="t0",
        key=f"k{label}",
        dag_id="base",
        run_id="base-run",
        value="v",
        updated_at=NOW - D(300),
        expires_at=t,
    )
for label, t in around(KEEP):
    ins("revoked_token", jti=label, exp=t)
    for state in ("pending", "queued", "running", "success", "failed"):
        ins(
            "connection_test_request",
            id=uid("ct", label, state),
            token=f"{label}-{state}",
            connection_id=f"{label}-{state}",
            state=state,
            created_at=t,
            updated_at=t,
            conn_type="x",
            active_connection_id=f"{label}-{state}" if state in ("pending", "queued", "running") else None,
        )
    e = ins("asset_event", "id", asset_id=asset, extra={}, timestamp=t, source_dag_id=label)
    ins("dagrun_asset_event", dag_run_id=base, event_id=e)
    i = ti("base", "base-run", f"resched-{label}", NOW)
    ins("task_reschedule", ti_id=i, start_date=t, end_date=NOW, duration=1, reschedule_date=NOW)
    i = ti("base", "base-run", f"xcom-{label}", NOW)
    ins(
        "xcom",
        dag_run_id=base,
        dag_id="base",
        run_id="base-run",
        task_id=f"xcom-{label}",
        key="k",
        value={},
        timestamp=t,
    )
    h = uid("own-tih", label)
    ti("base", "base-run", f"tih-{label}", NOW)
    ins(
        "task_instance_history",
        task_instance_id=h,
        dag_id="base",
        run_id="base-run",
        task_id=f"tih-{label}",
        map_index=-1,
        try_number=0,
        start_date=t,
        pool="p",
        pool_slots=1,
        span_status="x",
    )
    ins("hitl_detail_history", ti_history_id=h, options=[], subject="s", params={}, created_at=NOW, params_input={})
    # task instances, with everything that hangs on them
    i = ti("base", "base-run", f"ti-{label}", t)
    below_ti("base", "base-run", base, f"ti-{label}", i)
    ins(
        "task_state_store",
        dag_run_id=base,
        task_id="t30",
        key=f"k{label}",
        dag_id="base",
        run_id="base-run",
        value="v",
        updated_at=NOW,
        expires_at=t,
    )
    # partition key logs: orphans, and those whose run still exists
    apdr = ins(
        "asset_partition_dag_run",
        "id",
        target_dag_id="base",
        created_dag_run_id=base,
        partition_key=label,
        created_at=OLD,
        updated_at=OLD,
    )
    for ref, word in ((apdr, "alive"), (900000 + apdr, "orphan")):
        ins(
            "partitioned_asset_key_log",
            asset_id=asset,
            asset_event_id=1,
            asset_partition_dag_run_id=ref,
            source_partition_key=word,
            target_dag_id="base",
            target_partition_key=label,
            created_at=t,
        )
ti("base", "base-run", "ti-null", None)
ins(
    "task_state_store",
    dag_run_id=base,
    task_id="t30",
    key="knull",
    dag_id="base",
    run_id="base-run",
    value="v",
    updated_at=OLD,
    expires_at=None,
)
ti("base", "base-run", "tih-null", NOW)
ins(
    "task_instance_history",
    task_instance_id=uid("tih-null"),
    dag_id="base",
    run_id="base-run",
    task_id="tih-null",
    map_index=-1,
    try_number=0,
    start_date=None,
    pool="p",
    pool_slots=1,
    span_status="x",
)

# ---- dag_run: the last one of each dag that nobody started by hand stays -------------------------------------------
for d in ("keep-last", "manual-only", "tie", "all-fresh-last", "null-start", "backfill-last", "children", "single"):
    dag(d)
run("keep-last", "kl-1", OLD)
run("keep-last", "kl-2-last", MID)
run("keep-last", "kl-manual-older", OLD - D(1), "manual")
run("keep-last", "kl-manual-newer", MID + D(1), "manual")
run("keep-last", "kl-manual-equal", MID, "manual")
run("keep-last", "kl-manual-fresh", NOW - H(3), "manual")
run("manual-only", "mo-1", OLD, "manual")
run("manual-only", "mo-2", MID, "manual")
run("tie", "tie-1", MID)
run("tie", "tie-2", MID)
run("tie", "tie-old", OLD)
for label, t in around(KEEP):
    run("all-fresh-last", f"afl-{label}", t)
run("null-start", "ns-null", None, state="queued")
run("null-start", "ns-old", OLD)
run("null-start", "ns-mid", MID)
run("backfill-last", "bl-scheduled", OLD)
bf = ins(
    "backfill",
    "id",
    dag_id="backfill-last",
    from_date=OLD,
    to_date=OLD,
    dag_run_conf={},
    reprocess_behavior="none",
    max_active_runs=1,
    created_at=OLD,
    updated_at=OLD,
    completed_at=NOW - D(50),
)
for label, done in (("open-old", None), ("done", NOW - D(1))):  # _mark_backfills_complete
    ins(
        "backfill",
        dag_id=label,
        from_date=OLD,
        to_date=OLD,
        dag_run_conf={},
        reprocess_behavior="none",
        max_active_runs=1,
        created_at=OLD,
        updated_at=OLD,
        completed_at=done,
    )
run("backfill-last", "bl-asset", OLD + D(2), "asset_triggered")
run("backfill-last", "bl-backfill", MID, "backfill", backfill_id=bf)
run("single", "single-old", OLD)
run("children", "c-last", NOW - H(2))
c = run("children", "c-old", OLD)
below_ti("children", "c-old", c, "t", ti("children", "c-old", "t", NOW - D(1)))
ins("dag_run_note", dag_run_id=c, content="n", created_at=NOW, updated_at=NOW)
ins("dagrun_asset_event", dag_run_id=c, event_id=ins("asset_event", "id", asset_id=asset, extra={}, timestamp=NOW))
ins(
    "task_state_store",
    dag_run_id=c,
    task_id="t",
    key="k",
    dag_id="children",
    run_id="c-old",
    value="v",
    updated_at=NOW,
    expires_at=None,
)
ins("backfill_dag_run", backfill_id=bf, dag_run_id=c, sort_ordinal=1)
ins(
    "asset_partition_dag_run",
    target_dag_id="children",
    created_dag_run_id=c,
    partition_key="p",
    created_at=NOW,
    updated_at=NOW,
)


# ---- callbacks and deadlines ---------------------------------------------------------------------------------------
def callback(label, state, created, **cols):
    i = uid("cb", label, state)
    ins(
        "callback",
        id=i,
        type="executor",
        fetch_method="m",
        data={"__type": "dict", "__var": {}},
        state=state,
        priority_weight=1,
        created_at=created,
        **cols,
    )
    return i


def deadline(label, cb, time, run_pk=None, missed=False):
    ins(
        "deadline",
        id=uid("dl", label),
        created_at=OLD,
        last_updated_at=OLD,
        dagrun_id=run_pk,
        deadline_time=time,
        missed=missed,
        callback_id=cb,
    )


for label, t in around(KEEP):
    for state in ("scheduled", "pending", "queued", "running", "success", "failed", None, "unknown"):
        callback(f"free-{label}", state, t)
        deadline(
            f"has-{label}-{state}", callback(f"has-{label}", state, t), NOW + D(3)
        )  # a deadline to come: cascades with its callback
    deadline(f"time-{label}", callback(f"dl-{label}", "pending", NOW), t)
# deadlines that were met: deleted when their run has succeeded
dag("deadlines")
for label, end, missed in (
    ("met", -1, False),
    ("equal", 0, False),
    ("late", 1, False),
    ("met-but-missed", -1, True),
    ("running", None, False),
):
    at = NOW + MI(-30)
    r = run(
        "deadlines",
        f"dl-{label}",
        NOW - H(1),
        state="running" if end is None else "success",
        end_date=None if end is None else at + MI(end),
    )
    deadline(f"prune-{label}", callback(f"prune-{label}", "scheduled", NOW), at, r, missed)


# ---- triggers ------------------------------------------------------------------------------------------------------
def trigger(label, created):
    return ins("trigger", "id", classpath=label, kwargs="{}", created_date=created)


for label, t in around(KEEP):
    trigger(f"unused-{label}", t)
    ti(
        "base",
        "base-run",
        f"deferred-{label}",
        NOW,
        state="deferred",
        trigger_id=trigger(f"deferred-{label}", t),
        trigger_timeout=NOW + D(1),
    )
    ti("base", "base-run", f"undeferred-{label}", NOW, state="success", trigger_id=trigger(f"undeferred-{label}", t))
    ti("base", "base-run", f"nostate-{label}", NOW, state=None, trigger_id=trigger(f"nostate-{label}", t))
    ins("asset_watcher", name=label, asset_id=asset, trigger_id=trigger(f"watcher-{label}", t))
callback("with-trigger", "running", NOW, trigger_id=trigger("callback-fresh", NOW))
if POISON:
    callback("poison-trigger", "running", NOW, trigger_id=trigger("callback-old", OLD))

# ---- dag versions: the last of each dag stays, and those that a task instance refers to ----------------------------
for d in ("v-plain", "v-old-only", "v-tie", "v-ref"):
    dag(d)
for n, (_, t) in enumerate(around(KEEP)):
    version("v-plain", n, t)
version("v-old-only", 1, OLD)
version("v-old-only", 2, MID)
version("v-tie", 1, MID)
version("v-tie", 2, MID)
version("v-tie", 3, OLD)
v1, v2, v3 = version("v-ref", 1, OLD - D(2)), version("v-ref", 2, OLD - D(1)), version("v-ref", 3, OLD)
version("v-ref", 4, NOW)
run("v-ref", "vr", NOW - H(2))
r = run("v-ref", "vr2", NOW - H(1), created_dag_version_id=v2)
ti("v-ref", "vr", "t-fresh", NOW, dag_version_id=v1)
run("v-ref", "vr3", NOW - H(1), created_dag_version_id=v3)
ti("v-ref", "vr3", "t-old", OLD, dag_version_id=v3)  # goes first, then its version does

# ---- dags ----------------------------------------------------------------------------------------------------------
for label, t in [*around(KEEP), ("null", None)]:
    d = f"parsed-{label}"
    dag(d, t)
    version(d, 1, NOW)
    ins("dag_tag", name="t", dag_id=d)
    ins("dag_owner_attributes", dag_id=d, owner="o", link="l")
    ins("dag_favorite", user_id="1", dag_id=d)
    ins("dag_warning", dag_id=d, warning_type="non-existent pool", message="m", timestamp=NOW)
    ins("asset_dag_run_queue", asset_id=asset, target_dag_id=d, created_at=NOW)
    run(d, f"run-of-{label}", NOW)  # no foreign key: stays
if POISON:
    dag("poison-dag", OLD)
    v = version("poison-dag", 1, NOW)
    run("poison-dag", "pd", NOW)
    ti("poison-dag", "pd", "t", NOW, dag_version_id=v)

# ---- other clean-ups -----------------------------------------------------------------------------------------------
for stale in (True, False):  # DagWarning.purge_inactive_dag_warnings
    dag(f"warned-{stale}", NOW, stale)
    for kind in ("non-existent pool", "runtime varying value"):
        ins("dag_warning", dag_id=f"warned-{stale}", warning_type=kind, message="m", timestamp=NOW - D(1))
orphan = ins("asset", "id", name="orphan", uri="orphan", group="g", extra={}, created_at=NOW, updated_at=NOW)
ins("asset_active", name="orphan", uri="orphan")
inactive = ins("asset", "id", name="inactive", uri="inactive", group="g", extra={}, created_at=NOW, updated_at=NOW)
for a in (asset, orphan, inactive):
    for k in "xy":
        ins("asset_state_store", asset_id=a, key=k, value="v", updated_at=NOW - D(1))
for label, t in around(S(90), MI(20))[:3]:  # _reap_stale_connection_tests: 60 s + 30 s
    for state in ("pending", "queued", "running", "success"):
        ins(
            "connection_test_request",
            id=uid("cts", label, state),
            token=f"stale-{label}-{state}",
            connection_id=f"stale-{label}-{state}",
            state=state,
            created_at=t,
            updated_at=t,
            conn_type="x",
            active_connection_id=f"stale-{label}-{state}" if state != "success" else None,
        )
for label, t in around(S(30), MI(20))[:3]:  # scheduler jobs without a heartbeat for 30 s
    for kind in ("SchedulerJob", "TriggererJob"):
        for state in ("running", "success", None):
            ins("job", job_type=kind, state=state, latest_heartbeat=t, hostname=label)
for label, t in around(D(0)):  # deferred for too long
    ti(
        "base",
        "base-run",
        f"timeout-{label}",
        NOW,
        state="deferred",
        trigger_id=trigger(f"timeout-{label}", NOW),
        trigger_timeout=t,
    )
con.execute("CREATE SCHEMA IF NOT EXISTS proof")
con.execute("CREATE TABLE IF NOT EXISTS proof.seeded (at timestamptz NOT NULL)")
con.execute("INSERT INTO proof.seeded VALUES (clock_timestamp())")
con.commit()
