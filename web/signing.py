"""Addresses of pictures and media are signed for one login.

A signed address is made only where an audit row was committed for the look it serves, so bytes
cannot be had by guessing addresses around the audit chain (invariant 10). The same address is
made again within a session, so the browser's cache still works.
"""

from __future__ import annotations

import base64
import hashlib
import hmac

from storage.errors import Denied


def signature(key: bytes, session_token: str, *parts: object) -> str:
    """128-bit MAC of `parts` for the holder of `session_token`, URL-safe."""
    text = "\0".join([session_token, *(str(part) for part in parts)])
    digest = hmac.new(key, text.encode(), hashlib.sha256).digest()[:16]
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def check(key: bytes, session_token: str, given: str, *parts: object) -> None:
    """Denied unless `given` is the signature of `parts` for this session."""
    due = signature(key, session_token, *parts)
    if not hmac.compare_digest(given.encode(), due.encode()):
        raise Denied(
            "this picture or recording was not opened in this session; open it again from a"
            " search, a camera or the player"
        )
