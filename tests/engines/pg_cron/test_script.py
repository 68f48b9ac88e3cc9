"""PGC-3: who applies DDL by hand gets files; applied by psql they make just what `install` makes, and take it away."""

from __future__ import annotations

import subprocess
from pathlib import Path

from sqlalchemy import make_url

from sexton.engines.pg_cron.comparison import compare
from sexton.engines.pg_cron.installation import install
from sexton.engines.pg_cron.options import PgCronOptions
from sexton.engines.pg_cron.script import scripts
from tests.support.pg_cron import CronShop

LINES = "SELECT jobname FROM cron.job WHERE username = '{}'"


def apply(shop: CronShop, file: Path, database: str) -> None:
    """By psql, as a person would."""
    url = make_url(shop.url).set(drivername="postgresql", database=database).render_as_string(hide_password=False)
    command = [str(shop.server.programs / "psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", str(file), url]
    done = subprocess.run(command, capture_output=True, text=True, cwd="/", check=False)
    assert done.returncode == 0, done.stderr


def write(shop: CronShop, folder: Path) -> list[Path]:
    """The files, in the order in which up is applied."""
    _, files = scripts(shop.app, PgCronOptions())
    for name, text in files.items():
        (folder / name).write_text(text, "utf-8")
    return [folder / name for name in files]


def test_pgc_3_up_makes_what_install_makes_and_down_takes_it_away(shop: CronShop, tmp_path: Path) -> None:
    up, down, schedule, unschedule = write(shop, tmp_path)
    assert shop.do("SELECT * FROM sexton.slots") == [], "it only reads"
    for _ in range(2):
        apply(shop, up, shop.name)
        apply(shop, schedule, "postgres")
    assert compare(shop.app, PgCronOptions()).agrees
    _, done = install(shop.app, PgCronOptions())
    assert (done.procedures, done.lines, done.removed, done.slots, done.limit) == ([], [], [], 0, "")
    apply(shop, unschedule, "postgres")
    apply(shop, down, shop.name)
    assert [row.jobname for row in shop.cron(LINES.format(shop.role))] == ["sx:+history"]
    assert shop.do("SELECT 1 FROM pg_proc WHERE pronamespace = 'sexton'::regnamespace AND prokind = 'p'") == []
    assert shop.do("SELECT 1 FROM sexton.slots") == []
