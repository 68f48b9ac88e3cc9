"""A product's own Procrastinate app, with a task of its own and ours."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import procrastinate

from sexton.engines.procrastinate import register

app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=os.environ.get("SHOP_DATABASE", "")))
register(app)


@app.task(name="shop.pack", queue="shop")
def pack(parcel: str) -> None:
    """Of the product."""
    Path(parcel).write_text(str(sys.argv[0]))
