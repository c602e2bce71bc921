"""Addresses of pictures and recordings, signed for the login they are shown to (web.signing), and
for the case they are looked at under."""

from __future__ import annotations

from typing import Any

from flask import current_app, url_for

from storage.clock import rfc3339
from storage.vocabulary import Segment
from web import context, signing
from web.playback import Opening

THUMBNAIL_WIDTHS = (320, 640)


def picture_address(segment: str, at_us: int, case: str | None = None) -> str:
    """A small picture; the caller has audited the look it belongs to."""
    sig = _sign("picture", segment, at_us, case or "")
    return url_for("media.picture", segment=segment, at_us=at_us, sig=sig, case=case or None)


def segment_address(segment: Segment, case: str | None) -> str:
    """The bytes of a segment."""
    return _of_segment("media.segment", segment, case)


def init_address(segment: Segment, case: str | None) -> str:
    """Its initialisation segment without edit lists."""
    return _of_segment("media.init", segment, case)


def still_address(segment: Segment, case: str | None) -> str:
    """Single pictures of a segment; the player adds `at`."""
    return _of_segment("media.still", segment, case)


def playlist_address(found: Opening, case: str | None) -> str:
    """The playlist of an opening, whose look is audited already."""
    start, end = rfc3339(found.start_us), rfc3339(found.end_us)
    codecs = ",".join(sorted({segment.codec or "" for segment in found.segments}))
    sig = _sign("playlist", found.camera.slug, start, end, codecs, case or "")
    span: dict[str, Any] = {"from": start, "to": end}
    return url_for(
        "media.playlist", camera=found.camera.slug, codecs=codecs, sig=sig, case=case or None,
        **span,
    )  # fmt: skip


def check(given: str, *parts: object) -> None:
    """Denied unless `given` signs `parts` for this login."""
    signing.check(_key(), context.session_token(), given, *parts)


def signs(given: str, *parts: object) -> bool:
    """Whether it does."""
    return bool(given) and signing.signature(_key(), context.session_token(), *parts) == given


def _of_segment(endpoint: str, segment: Segment, case: str | None) -> str:
    sig = _sign("segment", segment.id, case or "")
    return url_for(endpoint, segment=segment.id, sig=sig, case=case or None)


def _sign(*parts: object) -> str:
    return signing.signature(_key(), context.session_token(), *parts)


def _key() -> bytes:
    secret = current_app.secret_key
    return secret if isinstance(secret, bytes) else str(secret).encode()
