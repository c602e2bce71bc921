"""A camera's password is where nobody else looks: not in arguments, environment, log or ledger."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

from tests.servers.recording import Recording, until

SECRET = "gr8t-s3cret"


def test_password_is_seen_by_no_other_process(recording: Callable[..., Recording]) -> None:
    made = recording()
    camera = made.add("gate", f"rtsp://viewer:{SECRET}@127.0.0.1:1/one")
    made.start()
    until(lambda: "connect_failed" in made.causes(camera), 20, "the camera does not answer")
    assert made.process is not None
    for pid in (made.process.pid, *made.captures()):
        for name in ("cmdline", "environ"):
            assert SECRET.encode() not in Path(f"/proc/{pid}/{name}").read_bytes()
    assert made.stop() == 0
    assert SECRET not in made.log.read_text()
    ledger = sqlite3.connect(made.root / "ledger.db")
    said = "\n".join(ledger.iterdump())
    ledger.close()
    assert "connect_failed" in said
    assert SECRET not in said
