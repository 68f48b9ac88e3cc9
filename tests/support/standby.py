"""A PostgreSQL standby: a second server that follows the first, from a copy of its data."""

from __future__ import annotations

import os
import shutil

from sexton.testing.postgres import Server


def follow(standby: Server, primary: Server) -> None:
    """Make a fresh server the standby of another, which is restarted. It answers questions."""
    owner = standby.data.stat()
    standby.shut_down()
    primary.shut_down()
    shutil.rmtree(standby.data)
    shutil.copytree(primary.data, standby.data)
    (standby.data / "standby.signal").touch()
    for path in [standby.data, *standby.data.rglob("*")]:
        os.chown(path, owner.st_uid, owner.st_gid)
    standby.data.chmod(0o700)
    standby.settings |= {
        "primary_conninfo": f"host=127.0.0.1 port={primary.port} user=postgres application_name=second",
        "wal_receiver_status_interval": "1s",
    }
    primary.boot()
    standby.boot()
