"""Addresses of pictures and recordings, signed for the login they are shown to (web.signing), for
the case they are looked at under, and for the privacy zones that the look was recorded to see
through: those of others are opened anew, and the audit names them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from flask import current_app, url_for

from storage.clock import rfc3339
from storage.reading import Footage
from storage.vocabulary import Segment
from web import context, signing
from web.playback import Opening

THUMBNAIL_WIDTHS = (320, 640)


def picture_address(segment: str, at_us: int, case: str | None = None) -> str:
    """A small picture; the caller has audited the look it belongs to."""
    sig = _sign("picture", segment, at_us, case or "")
    return url_for("media.picture", segment=segment, at_us=at_us, sig=sig, case=case or None)


def seen_through(readable: Iterable[Footage]) -> str:
    """The numbers of the zones whose hidden parts are shown all the same; "" for none."""
    seen = {zone.id for one in readable if not one.is_masked for zone in one.zones}
    return "-".join(str(number) for number in sorted(seen))


def segment_address(segment: Segment, case: str | None, zones: str = "") -> str:
    """The bytes of a segment. `zones`: as `seen_through`, here and below."""
    return _of_segment("media.segment", segment, case, zones)


def init_address(
    segment: Segment, case: str | None, zones: str = "", *, transcoded: bool = False
) -> str:
    """Its initialisation segment without edit lists, or that of its preview."""
    return _of_segment("media.init", segment, case, zones, **_anew(transcoded))


def piece_address(
    segment: Segment, number: int, case: str | None, zones: str = "", *, transcoded: bool = False
) -> str:
    """A piece of its preview."""
    more = _anew(transcoded)
    return _of_segment("media.masked_piece", segment, case, zones, number=number, **more)


def scrub_address(camera: str, start_us: int, end_us: int, until_us: int, case: str | None) -> str:
    """Small pictures of a camera anywhere in a span; the look is audited, and counts until then."""
    sig = _sign("scrub", camera, start_us, end_us, until_us, case or "")
    return url_for(
        "media.scrubbed", camera=camera, start=start_us, end=end_us, until=until_us, sig=sig,
        case=case or None,
    )  # fmt: skip


def still_address(
    segment: Segment, case: str | None, zones: str = "", *, transcoded: bool = False
) -> str:
    """Single pictures of a segment; the player adds `at`."""
    return _of_segment("media.still", segment, case, zones, **_anew(transcoded))


def playlist_address(found: Opening, case: str | None) -> str:
    """The playlist of an opening, whose look is audited already."""
    start, end = rfc3339(found.start_us), rfc3339(found.end_us)
    codecs = ",".join(sorted({segment.codec or "" for segment in found.segments}))
    zones = seen_through(found.readable)
    way = ("preview",) if found.transcoded else ()
    sig = _sign("playlist", found.camera.slug, start, end, codecs, case or "", *way, *_parts(zones))
    span: dict[str, Any] = {"from": start, "to": end} | ({"preview": "1"} if way else {})
    return url_for(
        "media.playlist", camera=found.camera.slug, codecs=codecs, sig=sig, case=case or None,
        zones=zones or None, **span,
    )  # fmt: skip


def check(given: str, *parts: object, zones: str = "") -> None:
    """Denied unless `given` signs `parts` for this login."""
    signing.check(_key(), context.session_token(), given, *parts, *_parts(zones))


def signs(given: str, *parts: object, zones: str = "") -> bool:
    """Whether it does."""
    right = signing.signature(_key(), context.session_token(), *parts, *_parts(zones))
    return bool(given) and right == given


def _of_segment(endpoint: str, segment: Segment, case: str | None, zones: str, **more: Any) -> str:
    sig = _sign("segment", segment.id, case or "", *_parts(zones))
    return url_for(
        endpoint, segment=segment.id, sig=sig, case=case or None, zones=zones or None, **more
    )  # fmt: skip


def _anew(transcoded: bool) -> dict[str, str]:
    return {"preview": "1"} if transcoded else {}


def _parts(zones: str) -> tuple[str, ...]:
    return (f"zones {zones}",) if zones else ()


def _sign(*parts: object) -> str:
    return signing.signature(_key(), context.session_token(), *parts)


def _key() -> bytes:
    secret = current_app.secret_key
    return secret if isinstance(secret, bytes) else str(secret).encode()
