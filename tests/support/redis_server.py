"""A private Redis that keeps what it has answered for, also when it is killed.

with RedisServer() as server:            # or the fixtures redis_url, start_redis
    redis.Redis.from_url(server.url)
"""

from __future__ import annotations

import shutil
from itertools import count
from pathlib import Path
from urllib.parse import urlencode

from redis import Redis

from .certificates import certificate
from .private_server import PrivateServer, ask
from .require import missing, program

DATABASES = 512


class RedisServer(PrivateServer):
    """Redis or Valkey with an append-only file, without a password; it evicts nothing."""

    kind = "redis"
    purposes = ("clients", "tls")

    def __init__(self, under: Path | None = None, *, tls: bool = False, **settings: str) -> None:
        """tls: also take clients over TLS, with a certificate signed by itself, for 127.0.0.1.

        settings: of redis.conf, `-` written as `_`; they win over ours. Skips or fails the test without the program.
        """
        found = shutil.which("redis-server") or shutil.which("valkey-server")
        self._program = found or missing("redis", "no redis-server; run: make services")
        if tls:
            program("openssl", "no openssl on this machine")
        super().__init__(under)
        self._settings = {
            "bind": "127.0.0.1",
            "dir": str(self.data),
            "databases": str(DATABASES),
            "save": "",
            "appendonly": "yes",
            "appendfsync": "no",  # what is written outlives the process; nobody cuts the power
            "maxmemory-policy": "noeviction",
            **{name.replace("_", "-"): value for name, value in settings.items()},
        }
        made = certificate(self.folder) if tls else (None, None)
        self.certificate: Path | None = made[0]
        self._key: Path | None = made[1]
        self._numbers = count(1)

    @property
    def url(self) -> str:
        """Of database 0."""
        return self.url_of(0)

    def url_of(self, number: int) -> str:
        """Of the database with this number, 0 to 511."""
        return f"redis://127.0.0.1:{self.port}/{number}"

    @property
    def tls_url(self) -> str:
        """Of database 0 over TLS; names the certificate to trust, in the words of redis-py and of Celery."""
        trust = urlencode({"ssl_cert_reqs": "required", "ssl_ca_certs": str(self.certificate)})
        return f"rediss://127.0.0.1:{self.ports['tls']}/0?{trust}"

    def fresh(self) -> str:
        """URL of a database that is empty and that nobody else was given lately; boots the server where it is down."""
        self.boot()
        number = 1 + next(self._numbers) % (DATABASES - 1)
        with Redis.from_url(self.url_of(number)) as client:
            client.flushdb()
        return self.url_of(number)

    def _command(self) -> list[str]:
        settings = {**self._settings, "port": str(self.port)}
        if self.certificate is not None:
            settings |= {
                "tls-port": str(self.ports["tls"]),
                "tls-cert-file": str(self.certificate),
                "tls-key-file": str(self._key),
                "tls-ca-cert-file": str(self.certificate),
                "tls-auth-clients": "no",
            }
        return [self._program, *(word for name, value in settings.items() for word in (f"--{name}", value))]

    def _answers(self) -> bool:
        """Whether this very process takes commands; while it loads its data it says LOADING."""
        mine = f"process_id:{self.pid}\r\n".encode()
        return mine in ask(self.port, b"INFO server\r\n") and ask(self.port, b"PING\r\n") == b"+PONG\r\n"
