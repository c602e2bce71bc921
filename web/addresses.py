"""Addresses of pictures and recordings, signed for the login they are shown to (web.signing)."""

from __future__ import annotations

from typing import Any

from flask import current_app, url_for

from storage.clock import rfc3339
from storage.vocabulary import Segment
from web import context, signing
from web.playback import Opening

THUMBNAIL_WIDTHS = (320, 640)


def picture_address(segment: str, at_us: int) -> str:
    """A small picture; the caller has audited the look it belongs to."""
    sig = _sign("picture", segment, at_us)
    return url_for("media.picture", segment=segment, at_us=at_us, sig=sig)


def segment_address(segment: Segment) -> str:
    """The bytes of a segment."""
    return url_for("media.segment", segment=segment.id, sig=_sign("segment", segment.id))


def init_address(segment: Segment) -> str:
    """Its initialisation segment without edit lists."""
    return url_for("media.init", segment=segment.id, sig=_sign("segment", segment.id))


def still_address(segment: Segment) -> str:
    """Single pictures of a segment; the player adds `at`."""
    return url_for("media.still", segment=segment.id, sig=_sign("segment", segment.id))


def playlist_address(found: Opening) -> str:
    """The playlist of an opening, whose look is audited already."""
    start, end = rfc3339(found.start_us), rfc3339(found.end_us)
    codecs = ",".join(sorted({segment.codec or "" for segment in found.segments}))
    sig = _sign("playlist", found.camera.slug, start, end, codecs)
    span: dict[str, Any] = {"from": start, "to": end}
    return url_for("media.playlist", camera=found.camera.slug, codecs=codecs, sig=sig, **span)


def check(given: str, *parts: object) -> None:
    """Denied unless `given` signs `parts` for this login."""
    signing.check(_key(), context.session_token(), given, *parts)


def signs(given: str, *parts: object) -> bool:
    """Whether it does."""
    return bool(given) and signing.signature(_key(), context.session_token(), *parts) == given


def _sign(*parts: object) -> str:
    return signing.signature(_key(), context.session_token(), *parts)


def _key() -> bytes:
    secret = current_app.secret_key
    return secret if isinstance(secret, bytes) else str(secret).encode()
