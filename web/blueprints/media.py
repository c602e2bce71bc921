"""Bytes: playlists, ranges of segments, single pictures. The look is audited before they leave,
and whether it may go on is asked with every request, of storage.reading."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify, make_response, request, send_file, url_for

from storage import segments as ledger_segments
from storage.clock import parse_time, rfc3339
from storage.errors import Invalid, NotFound
from storage.reading import Footage, footage, footage_of_all
from storage.rights import Verb
from storage.vocabulary import Actor, Segment
from web import addresses, context, pictures
from web.formats import cause_text
from web.playable import is_streamed, plain_init, playable, sent
from web.playback import Opening, open_recording, record_look
from web.playlist import MEDIA_TYPE
from web.playlist import playlist as make_playlist

media = Blueprint("media", __name__, url_prefix="/media")
PICTURE_S = 3600  # a browser keeps a small picture so long; its address dies with the session


@media.get("/<camera>/opening.json")
def opening(camera: str) -> Response:
    """Open a recording at `at`: what a player needs to know, and the row in the audit chain."""
    codecs = request.args.get("codecs")
    found = open_recording(
        context.directory(), _actor(), camera, _instant("at"),
        None if codecs is None else codecs.split(","),
    )  # fmt: skip
    return jsonify(_document(found))


@media.get("/<camera>/playlist.m3u8")
def playlist(camera: str) -> Response:
    """The footage of [from, to) as HLS; without a signed opening, the playlist is the look."""
    directory = context.directory()
    start, end = request.args.get("from", ""), request.args.get("to", "")
    codecs = request.args.get("codecs", "")
    from_us, to_us = parse_time(start), parse_time(end)
    with directory.ledger.read() as tx:
        found = context.access(tx).camera(tx, Verb.PLAY, camera)
        rows = ledger_segments.segments(
            tx, camera_ids=[found.id], from_us=from_us, to_us=to_us
        )  # fmt: skip
    rows = [r for r in rows if is_streamed(r) and (not codecs or r.codec in codecs.split(","))]
    if not rows:
        raise NotFound(
            "camera {camera} has no footage that plays as a stream between {start} and {end}",
            camera=found.slug, start=start, end=end,
        )  # fmt: skip
    sig = request.args.get("sig", "")
    case = _case()
    if not addresses.signs(sig, "playlist", found.slug, start, end, codecs, case):
        record_look(directory, _actor(), "play", found, from_us, to_us)
    readable = footage_of_all(directory, [row.id for row in rows], _actor(), Verb.PLAY)
    text = make_playlist(
        ((one.segment, playable(directory, one)) for one in readable),
        lambda row: addresses.segment_address(row, case),
        lambda row: addresses.init_address(row, case),
    )
    response = make_response(text)
    response.content_type = MEDIA_TYPE
    return response


@media.get("/segment/<segment>.mp4")
def segment(segment: str) -> Response:
    """Bytes of one segment, by range; the address was signed when its playlist was opened."""
    found = _signed(segment)
    file = playable(context.directory(), found)
    response = sent(file, etag=found.segment.sha256[:32])
    response.headers["Cache-Control"] = "private, no-cache"
    return response


@media.get("/segment/<segment>/init.mp4")
def init(segment: str) -> Response:
    """Its initialisation segment, where an edit list had to be taken out for playing."""
    response = make_response(plain_init(playable(context.directory(), _signed(segment))))
    response.content_type = "video/mp4"
    return response


@media.get("/segment/<segment>/still.jpg")
def still(segment: str) -> Response:
    """The picture on screen at `at`, whole; X-Picture-Time says when it was taken."""
    shown = pictures.picture(_signed(segment), _instant("at"))
    response = make_response(pictures.jpeg(shown.rgb))
    response.content_type = "image/jpeg"
    response.headers["X-Picture-Time"] = str(shown.ts_us)
    return response


@media.get("/picture/<segment>/<int:at_us>.jpg")
def picture(segment: str, at_us: int) -> Response:
    """A small picture for a result or a board, made once and cached."""
    addresses.check(request.args.get("sig", ""), "picture", segment, at_us, _case())
    width = request.args.get("w", type=int) or addresses.THUMBNAIL_WIDTHS[0]
    if width not in addresses.THUMBNAIL_WIDTHS:
        raise Invalid(
            "pictures come in widths of {widths} pixels",
            widths=", ".join(str(each) for each in addresses.THUMBNAIL_WIDTHS),
        )
    found = _opened(segment, Verb.SEARCH, Verb.PLAY)  # of a result, or of a board
    path = pictures.thumbnail(context.directory(), found, at_us, width)
    response = send_file(
        path, mimetype="image/jpeg", conditional=True, etag=f"{segment}-{at_us}-{width}",
        max_age=PICTURE_S,
    )  # fmt: skip
    response.headers["Cache-Control"] = f"private, max-age={PICTURE_S}"
    return response


@media.get("/<camera>/snapshot")
def snapshot(camera: str) -> Response:
    """The exact picture at `at` as a lossless file; a look of its own in the audit chain."""
    directory = context.directory()
    at_us = _instant("at")
    with directory.ledger.read() as tx:
        found = context.access(tx).camera(tx, Verb.PLAY, camera)
        row = ledger_segments.segment_at(tx, found.id, at_us)
    if row is None:
        raise NotFound(
            "camera {camera} has no footage at {time}", camera=found.slug, time=rfc3339(at_us)
        )
    shown = pictures.picture(_opened(row.id, Verb.PLAY), at_us)
    record_look(directory, _actor(), "snapshot", found, shown.ts_us, shown.ts_us)
    response = make_response(pictures.png(shown.rgb))
    response.content_type = "image/png"
    stamp = rfc3339(shown.ts_us).replace(":", "").replace("-", "")
    response.headers.set(
        "Content-Disposition", "attachment", filename=f"{found.slug}_{stamp}.png"
    )  # fmt: skip
    return response


def _signed(segment_id: str) -> Footage:
    """What an address was signed for, if it may still be played."""
    addresses.check(request.args.get("sig", ""), "segment", segment_id, _case())
    return _opened(segment_id, Verb.PLAY)


def _opened(segment_id: str, *verbs: Verb) -> Footage:
    return footage(context.directory(), segment_id, _actor(), *verbs)


def _actor() -> Actor:
    return context.actor(_case(), request.args.get("reason"))


def _case() -> str:
    return request.args.get("case", "")


def _instant(name: str) -> int:
    """UTC microseconds, or RFC 3339."""
    text = request.args.get(name, "")
    if text.isdecimal() and len(text) <= 17:
        return int(text)
    return parse_time(text)


def _document(found: Opening) -> dict[str, Any]:
    return {
        "camera": {
            "slug": found.camera.slug, "name": found.camera.name, "site": found.camera.site,
            "tz": found.camera.tz,
        },
        "at_us": found.at_us,
        "streamed": found.streamed,
        "codec": found.segments[0].codec,
        "playlist": addresses.playlist_address(found, _case()) if found.streamed else None,
        "segments": [
            _segment(row, found.files[i].first_s if found.files else 0.0)
            for i, row in enumerate(found.segments)
        ],
        "holes": [
            {
                "start_us": hole.start_us, "end_us": hole.end_us,
                "cause": None if hole.cause is None else cause_text(hole.cause),
            }
            for hole in found.holes
        ],
        "before_us": found.before_us,
        "after_us": found.after_us,
        "snapshot": url_for("media.snapshot", camera=found.camera.slug),
    }  # fmt: skip


def _segment(row: Segment, first_s: float) -> dict[str, Any]:
    return {
        "id": row.id, "start_us": row.start_us, "end_us": row.end_us, "fps": row.fps,
        "width": row.width, "height": row.height, "codec": row.codec,
        "audio": row.audio_codec is not None, "first_s": first_s,
        "still": addresses.still_address(row, _case()),
    }  # fmt: skip
