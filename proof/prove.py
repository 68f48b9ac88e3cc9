"""Runs each clean-up of an application on one copy of a database, Sexton's policies on another, and compares all rows.

python proof/prove.py FOLDER APP [--poison] [NAME...]   FOLDER: of set_up.sh; APP: pretix or airflow; NAME: of pairs.txt
Needs sexton[postgres,sql]. Exit code 0: no difference but those of KNOWN, and each dry run counted what its run did.
--poison: with rows that cannot go. Where the application stops at one, or differs in it, Sexton has set it aside.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
from psycopg import sql

HERE = Path(__file__).parent
PORT = os.environ.get("PROOF_PORT", "54999")

KNOWN = {"pretix": ["pretixbase_logentry"], "airflow": []}
"""Tables that may differ: pretix notes what it did to an order."""


def connect(database: str) -> psycopg.Connection:
    """To a database of the server that set_up.sh started."""
    return psycopg.connect(f"host=127.0.0.1 port={PORT} user=postgres dbname={database}", autocommit=True)


def copy(origin: str, name: str) -> None:
    """A fresh copy."""
    with connect("postgres") as server:
        server.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
        server.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(origin)))


def in_application(folder: Path, app: str, script: str, database: str, *words: str) -> str:
    """Runs a script of ours with the application's own Python. Why it failed; "": it did not."""
    environment = {
        **os.environ,
        "TZ": "UTC",
        "PYTHONDONTWRITEBYTECODE": "1",
        "DJANGO_SETTINGS_MODULE": "pretix.settings",
        "PRETIX_CONFIG_FILE": str(folder / "pretix.cfg"),
        "PRETIX_DATABASE_NAME": database,
        "AIRFLOW_HOME": str(folder / "airflow_home"),
        "AIRFLOW__CORE__AUTH_MANAGER": "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"postgresql+psycopg2://postgres@127.0.0.1:{PORT}/{database}",
    }
    environment.pop("PYTHONPATH", None)
    python = folder / f"{app}_venv/bin/python"
    done = subprocess.run(
        [python, HERE / app / script, *words], env=environment, cwd=folder, capture_output=True, text=True, check=False
    )
    return done.stderr.strip().splitlines()[-1] if done.returncode else ""


def sexton(app: str, *words: str, may: tuple[int, ...] = (0,)) -> str:
    """What a command of Sexton prints. may: exit codes that are no failure."""
    environment = {
        **os.environ,
        "SEXTON_CONFIG": str(HERE / app / "sexton.toml"),
        "SEXTON_DATABASE": f"postgresql+psycopg://postgres@127.0.0.1:{PORT}/{app}_sexton",
    }
    done = subprocess.run(
        [sys.executable, "-m", "sexton.cli.main", *words], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode not in may:
        raise SystemExit(f"sexton {' '.join(words)}: {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


def run_policy(app: str, policy: str) -> Iterator[str]:
    """Arm it, count, run. What there is to say: rows set aside, and counts that are not those of the dry run."""
    job = f"policies.{policy}"
    sexton(app, "arm", policy, "--yes")
    (counted,) = json.loads(sexton(app, "run", job, "--dry-run"))["steps"].values()
    lines = [json.loads(line) for line in sexton(app, "run", job, may=(0, 3)).splitlines()]
    run = json.loads(sexton(app, "show", str(lines[-1]["run"]), "--json"))
    (did,) = run["steps"].values()
    for row in run["set_aside"]:
        yield f"  {policy}: {run['state']}, {did['changed']} done, set aside {row['subject']}: {row['error']}"
    same = counted["changed"] == did["changed"] + did["poison"]
    if not did["poison"]:  # what hangs on a row that is set aside was counted with it
        same = same and counted.get("also", {}) == did["also"]
    if not same:
        yield f"  {policy}: the dry run counted {counted}, the run {did}"


def rows(database: str) -> dict[str, Counter[str]]:
    """All rows of all tables of the application as text. What was written after the seeding is <now>."""
    found: dict[str, Counter[str]] = {}
    with connect(database) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        (seeded,) = connection.execute("SELECT at FROM proof.seeded").fetchone()
        end = datetime.now(UTC)

        def shown(value: object) -> str:
            if isinstance(value, datetime):
                aware = value if value.tzinfo else value.replace(tzinfo=UTC)
                return "<now>" if seeded < aware <= end else str(value)
            return repr(bytes(value)) if isinstance(value, memoryview) else repr(value)

        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1").fetchall()
        for (table,) in tables:
            cursor = connection.execute(sql.SQL("SELECT * FROM public.{}").format(sql.Identifier(table)))
            names = [column.name for column in cursor.description]
            found[table] = Counter(
                " ".join(f"{name}={shown(value)}" for name, value in zip(names, row, strict=True)) for row in cursor
            )
    return found


def differences(one: dict[str, Counter[str]], other: dict[str, Counter[str]]) -> dict[str, list[str]]:
    """Rows that are in one only, by table."""
    return {
        table: [f"  {table}, application: {row}" for row in sorted((one[table] - other[table]).elements())]
        + [f"  {table}, Sexton: {row}" for row in sorted((other[table] - one[table]).elements())]
        for table in one
        if one[table] != other[table]
    }


def prove(folder: Path, app: str, name: str, policies: list[str], *, poison: bool) -> bool:
    """One clean-up. Whether all is as it should be: the same rows, but for those that were set aside on purpose."""
    own, ours = f"{app}_own", f"{app}_sexton"
    copy(f"{app}_seeded", own)
    copy(f"{app}_seeded", ours)
    before = rows(own)
    stopped = in_application(folder, app, "own.py", own, name)
    sexton(app, "migrate")
    said = [line for policy in policies for line in run_policy(app, policy)]
    counted = not any("the dry run counted" in line for line in said)
    if stopped:
        print(f"{name}: the application stopped: {stopped}", *said, sep="\n", flush=True)
        return poison and bool(said) and counted
    after = rows(own)
    touched = sum(map(len, differences(before, after).values()))
    different = differences(after, rows(ours))
    known = [table for table in different if table in KNOWN[app]]
    lines = [line for table in different if table not in known for line in different[table]]
    apart = "differs where a row is set aside" if poison and said else "DIFFERENT"
    verdict = apart if lines else f"same but for {', '.join(known)}" if known else "same"
    print(f"{name}: {verdict} ({touched} rows came or went)", *said, *lines, sep="\n", flush=True)
    return counted and (not lines or (poison and bool(said)))


def main() -> int:
    """Seed, then one clean-up after the other."""
    folder, app, *words = sys.argv[1:]
    place, poison, wanted = Path(folder).resolve(), "--poison" in words, [word for word in words if word != "--poison"]
    copy(app, f"{app}_seeded")
    failed = in_application(place, app, "seed.py", f"{app}_seeded", *(["--poison"] if poison else []))
    if failed:
        raise SystemExit(f"seed.py: {failed}")
    pairs = [line.split() for line in (HERE / app / "pairs.txt").read_text().splitlines() if not line.startswith("#")]
    chosen = [pair for pair in pairs if not wanted or pair[0] in wanted]
    well = [prove(place, app, name, policies, poison=poison) for name, *policies in chosen]
    print(f"{sum(well)} of {len(well)} as they should be")
    return 0 if all(well) else 1


if __name__ == "__main__":
    sys.exit(main())
