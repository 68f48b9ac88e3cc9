"""A certificate signed by itself, for servers of the tests that speak TLS."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from .require import missing


def certificate(folder: Path, host: str = "IP:127.0.0.1") -> tuple[Path, Path]:
    """A certificate for `host` ("IP:…" or "DNS:…"), good for two days, and its key; skips or fails without openssl."""
    if shutil.which("openssl") is None:
        missing("openssl", "no openssl on this machine")
    chain, key = folder / "chain.pem", folder / "key.pem"
    words = ["-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=relay", "-addext"]
    made = ["openssl", "req", *words, f"subjectAltName={host}", "-keyout", str(key), "-out", str(chain)]
    subprocess.run(made, check=True, capture_output=True)
    return chain, key
