"""An SMTP server in a process of its own: both sides then wait for the same server, and not for their interpreter."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

SINK = "from aiosmtpd.handlers import Sink as Handler"
"""Takes all, and keeps nothing."""

STAMPS = """import time
class Handler:
    async def handle_DATA(self, server, session, envelope):
        print(envelope.rcpt_tos[0], time.time(), flush=True)
        return "250 taken"
"""
"""Takes all, and prints recipient and time of each."""

_SERVER = """import asyncio
from aiosmtpd.smtp import SMTP
{handler}
async def main():
    loop = asyncio.get_running_loop()
    listening = await loop.create_server(lambda: SMTP(Handler(), hostname="relay.test", loop=loop), "127.0.0.1", 0)
    print(listening.sockets[0].getsockname()[1], flush=True)
    await listening.serve_forever()
asyncio.run(main())
"""


@contextmanager
def smtp_server(handler: str) -> Iterator[tuple[int, subprocess.Popen[str]]]:
    """Its port and process. handler: source that defines `Handler`, `SINK` or `STAMPS`."""
    command = [sys.executable, "-c", _SERVER.format(handler=handler)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline()), process
        finally:
            process.terminate()
