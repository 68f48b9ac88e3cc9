"""Eight ways in which the database of a merchant can be broken, each by the real thing."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from psycopg import sql

from sexton.testing.processes import unprivileged_account

from .merchant_fleet import MerchantFleet
from .patience import PATIENCE
from .ports import closed_port
from .require import as_root, missing

SLEEPY = """
CREATE FUNCTION sleepy() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(3600); RETURN OLD; END';
CREATE TRIGGER sleepy BEFORE DELETE ON sessions FOR EACH ROW EXECUTE FUNCTION sleepy();
"""

REASONS: Mapping[str, str] = {
    "down": "Connection refused",
    "password": "password authentication failed",
    "behind": "Sexton's own tables are not in this database",
    "locked": "locked",
    "slow": "timeout",
    "full": "No space left on device",
    "read_only": "read-only transaction",
    "dropped": "does not exist",
}
"""What each of them says, or a part of it."""

FULL_BYTES = 24 * 1024 * 1024
"""Room for a copy of the template, and little more."""


@contextmanager
def broken(merchants: MerchantFleet) -> Iterator[None]:
    """Inside the block those of the merchants are broken that are called as a key of `REASONS`."""
    with ExitStack() as stack:
        for name in REASONS:
            fault: Callable[[MerchantFleet], object] = _FAULTS[name]
            made = fault(merchants)
            if made is not None:
                stack.enter_context(made)  # type: ignore[arg-type]
        yield


@contextmanager
def _down(merchants: MerchantFleet) -> Iterator[None]:
    old = merchants.databases["down"]
    with closed_port() as port:
        address = old.address.replace(f":{merchants.server.port}/", f":{port}/")
        merchants.databases["down"] = replace(old, address=address, server=f"127.0.0.1:{port}")
        yield


def _password(merchants: MerchantFleet) -> None:
    """A role that has to say one, and has none in our list."""
    merchants.say("home", "CREATE ROLE locked_out LOGIN PASSWORD 'nobody says it'")
    rules = merchants.server.data / "pg_hba.conf"
    rules.write_text(f"host all locked_out 127.0.0.1/32 scram-sha-256\n{rules.read_text()}")
    merchants.say("home", "SELECT pg_reload_conf()")
    old = merchants.databases["password"]
    address = old.address.replace("postgres@", "locked_out:wrong@")
    merchants.databases["password"] = replace(old, address=address)


def _behind(merchants: MerchantFleet) -> None:
    merchants.say("behind", "DROP SCHEMA sexton CASCADE")


@contextmanager
def _locked(merchants: MerchantFleet) -> Iterator[None]:
    with merchants.session("locked") as holder, holder.transaction():
        holder.execute("LOCK TABLE sessions IN ACCESS EXCLUSIVE MODE")
        yield


def _slow(merchants: MerchantFleet) -> None:
    merchants.say("slow", SLEEPY)


@contextmanager
def _full(merchants: MerchantFleet) -> Iterator[None]:
    """Its tables lie on a small file system of their own, which is filled to the last byte."""
    as_root()
    folder = merchants.server.folder / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={FULL_BYTES}", "tmpfs", folder],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        missing("tmpfs", mounted.stderr.strip())
    try:
        if account := unprivileged_account():
            os.chown(folder, account.user, account.group)
        with merchants.session() as home:
            home.execute(sql.SQL("CREATE TABLESPACE small LOCATION {}").format(sql.Literal(str(folder))))
            home.execute(
                sql.SQL("ALTER DATABASE {} SET TABLESPACE small").format(sql.Identifier(merchants.name_of("full")))
            )
            home.execute("CHECKPOINT")
        _fill(folder / "filler")
        yield
    finally:
        with merchants.session() as home:
            home.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(merchants.name_of("full"))))
            home.execute("DROP TABLESPACE IF EXISTS small")
        subprocess.run(["umount", "-l", folder], check=True)


def _fill(file: Path) -> None:
    with file.open("wb", buffering=0) as filler:
        for size in (1024 * 1024, 4096, 1):
            try:
                while filler.write(b"\0" * size):
                    pass
            except OSError:
                continue


def _read_only(merchants: MerchantFleet) -> None:
    merchants.say("home", "ALTER DATABASE {} SET default_transaction_read_only = on", merchants.name_of("read_only"))


@contextmanager
def _dropped(merchants: MerchantFleet) -> Iterator[None]:
    """Dropped while its rows are deleted."""
    merchants.say("dropped", SLEEPY)
    dropper = threading.Thread(target=_drop_in_the_middle, args=(merchants,))
    dropper.start()
    try:
        yield
    finally:
        dropper.join(PATIENCE)
        assert not dropper.is_alive(), "it was never seen in the middle of its run"


def _drop_in_the_middle(merchants: MerchantFleet) -> None:
    name, ends = merchants.name_of("dropped"), time.monotonic() + PATIENCE
    asleep = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND wait_event = 'PgSleep'"
    with merchants.session() as home:
        while home.execute(asleep, (name,)).fetchone() != (1,) and time.monotonic() < ends:
            time.sleep(0.02)
        home.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


_FAULTS: Mapping[str, Callable[[MerchantFleet], object]] = {
    "down": _down,
    "password": _password,
    "behind": _behind,
    "locked": _locked,
    "slow": _slow,
    "full": _full,
    "read_only": _read_only,
    "dropped": _dropped,
}
