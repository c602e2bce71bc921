"""Bytes: playlists, ranges of segments, single pictures. The look is audited before they leave,
and whether it may go on is asked with every request, of storage.reading."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flask import Blueprint, Response, jsonify, make_response, request, send_file, url_for

from storage import segments as ledger_segments
from storage.clock import parse_time, rfc3339
from storage.errors import DataLoss, Denied, Invalid, NotFound
from storage.reading import Footage, footage, footage_of_all
from storage.rights import Verb
from storage.vocabulary import Actor, Segment
from web import addresses, context, masked, pictures, scrub
from web.codec_string import codec_string
from web.formats import cause_text
from web.instants import instant
from web.playable import MP4, Playable, is_streamed, plain_init, playable, sent
from web.playback import Hole, Opening, open_recording, record_look
from web.playlist import MEDIA_TYPE
from web.playlist import playlist as make_playlist

media = Blueprint("media", __name__, url_prefix="/media")
PICTURE_S = 3600  # a browser keeps a small picture so long; its address dies with the session


@media.get("/<camera>/opening.json")
def opening(camera: str) -> Response:
    """Open a recording at `at`: what a player needs to know, and the row in the audit chain."""
    codecs = request.args.get("codecs")
    found = open_recording(
        context.directory(), _actor(), camera, instant("at"),
        None if codecs is None else codecs.split(","), previews=_previews(),
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
    anew = _previews()  # encoded anew: the browser lacks the codec
    rows = [
        row
        for row in rows
        if (anew or is_streamed(row)) and (not codecs or (row.codec or "") in codecs.split(","))
    ]
    if not rows:
        raise NotFound(
            "camera {camera} has no footage that plays as a stream between {start} and {end}",
            camera=found.slug, start=start, end=end,
        )  # fmt: skip
    sig = request.args.get("sig", "")
    case, zones = _case(), request.args.get("zones", "")
    signed = addresses.signs(
        sig, "playlist", found.slug, start, end, codecs, case, *(["preview"] if anew else []),
        zones=zones,
    )  # fmt: skip
    readable = footage_of_all(directory, [row.id for row in rows], _actor(), Verb.PLAY)
    if anew:
        readable = [one.as_masked() for one in readable]
    if not signed or addresses.seen_through(readable) != zones:
        # Whole segments are handed out, whatever moment was asked for.
        record_look(
            directory, _actor(), "play", found,
            min(row.start_us for row in rows), max(row.end_us for row in rows), masks=anew,
        )  # fmt: skip
    seen = {one.segment.id: addresses.seen_through([one]) for one in readable}
    text = make_playlist(
        _served(readable, anew),
        lambda row: addresses.segment_address(row, case, seen[row.id]),
        lambda row: addresses.init_address(row, case, seen[row.id], transcoded=anew),
        lambda row, number: addresses.piece_address(
            row, number, case, seen[row.id], transcoded=anew
        ),
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
    """Its initialisation segment, where an edit list had to be taken out for playing, or that of
    its masked preview."""
    found = _signed(segment)
    response = make_response(
        masked.init(found)
        if found.is_masked or _previews()
        else plain_init(playable(context.directory(), found))
    )
    response.content_type = MP4
    return response


@media.get("/segment/<segment>/masked/<int:number>.m4s")
def masked_piece(segment: str, number: int) -> Response:
    """A piece of a preview, encoded anew and masked; made when it is asked for."""
    found = _signed(segment)
    response = make_response(masked.piece(context.directory(), found, number))
    response.content_type = MP4
    response.headers["Cache-Control"] = "private, no-cache"
    response.set_etag(masked.etag(found, number))
    response.make_conditional(request)
    return response


@media.get("/segment/<segment>/still.jpg")
def still(segment: str) -> Response:
    """The picture on screen at `at`, whole; X-Picture-Time says when it was taken."""
    shown = pictures.picture(_signed(segment), instant("at"))
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
        path, mimetype="image/jpeg", conditional=True, etag=f"{segment}-{path.stem}",
        max_age=PICTURE_S,
    )  # fmt: skip
    response.headers["Cache-Control"] = f"private, max-age={PICTURE_S}"
    return response


@media.get("/<camera>/scrub/<int:start>/<int:end>/<int:until>.jpg")
def scrubbed(camera: str, start: int, end: int, until: int) -> Response:
    """The small picture nearest to `at`, within the span of an audited look (player.scrub)."""
    addresses.check(request.args.get("sig", ""), "scrub", camera, start, end, until, _case())
    at_us = instant("at")
    if not start <= at_us < end or context.now_us() >= until:
        raise Denied("these small pictures are not of this look; move on the strip again")
    directory = context.directory()
    with directory.ledger.read() as tx:
        found = context.access(tx).camera(tx, Verb.PLAY, camera)
        row = ledger_segments.segment_at(tx, found.id, at_us)
    if row is None:
        return Response(status=204)  # a gap is an answer, and no complaint in the console
    readable = _opened(row.id, Verb.PLAY)
    at_us = scrub.nearest(row, at_us)
    path = pictures.thumbnail(directory, readable, at_us, addresses.THUMBNAIL_WIDTHS[0])
    response = send_file(
        path, mimetype="image/jpeg", conditional=True, etag=f"{row.id}-{path.stem}",
        max_age=PICTURE_S,
    )  # fmt: skip
    response.headers["Cache-Control"] = "private, no-cache"
    response.headers["X-Picture-Time"] = str(at_us)
    return response


@media.get("/<camera>/snapshot")
def snapshot(camera: str) -> Response:
    """The exact picture at `at` as a lossless file; a look of its own in the audit chain."""
    directory = context.directory()
    at_us = instant("at")
    with directory.ledger.read() as tx:
        found = context.access(tx).camera(tx, Verb.PLAY, camera)
        row = ledger_segments.segment_at(tx, found.id, at_us)
    if row is None:
        raise NotFound(
            "camera {camera} has no footage at {time}", camera=found.slug, time=rfc3339(at_us)
        )
    readable = _opened(row.id, Verb.PLAY)
    shown = pictures.picture(readable, at_us)
    record_look(directory, _actor(), "snapshot", found, shown.ts_us, shown.ts_us)
    response = make_response(pictures.png(shown.rgb))
    response.content_type = "image/png"
    stamp = rfc3339(shown.ts_us).replace(":", "").replace("-", "")
    response.headers.set(
        "Content-Disposition", "attachment",
        filename=f"{found.slug}_{stamp}{'_masked' if readable.is_masked else ''}.png",
    )  # fmt: skip
    return response


def _signed(segment_id: str) -> Footage:
    """What an address was signed for, if it may still be played.

    Denied to who sees through privacy zones that the look it was signed for does not name.
    """
    zones = request.args.get("zones", "")
    addresses.check(request.args.get("sig", ""), "segment", segment_id, _case(), zones=zones)
    found = _opened(segment_id, Verb.PLAY)
    if _previews():
        found = found.as_masked()  # more is hidden than was signed for, never less
    if not found.is_masked and addresses.seen_through([found]) != zones:
        raise Denied(
            "privacy zones of camera {camera} were changed after this was opened; open it again",
            camera=found.segment.camera,
        )
    return found


def _served(
    readable: list[Footage], anew: bool
) -> Iterator[tuple[Segment, Playable | masked.Preview]]:
    """What a playlist names; a file that is gone is left out, as in the opening."""
    lost, named = None, False
    for one in readable:
        try:
            file = masked.served(context.directory(), one, transcoded=anew)
        except DataLoss as error:
            lost = error
            continue
        named = True
        yield one.segment, file
    if lost is not None and not named:
        raise lost


def _previews() -> bool:
    return request.args.get("preview") == "1"


def _opened(segment_id: str, *verbs: Verb) -> Footage:
    return footage(context.directory(), segment_id, _actor(), *verbs)


def _actor() -> Actor:
    return context.actor(_case(), request.args.get("reason"))


def _case() -> str:
    return request.args.get("case", "")


def _document(found: Opening) -> dict[str, Any]:
    return {
        "camera": {
            "slug": found.camera.slug, "name": found.camera.name, "site": found.camera.site,
            "tz": found.camera.tz,
        },
        "at_us": found.at_us,
        "streamed": found.streamed,
        "transcoded": found.transcoded,
        "codec_string": codec_string(found.files[0]) if found.files else None,
        "codec": found.segments[0].codec,
        "playlist": addresses.playlist_address(found, _case()) if found.streamed else None,
        "segments": [
            _segment(one, found.files[i].first_s if found.files else 0.0, anew=found.transcoded)
            for i, one in enumerate(found.readable)
        ],
        "holes": [
            {
                "start_us": hole.start_us, "end_us": hole.end_us,
                "cause": _cause(hole),
            }
            for hole in found.holes
        ],
        "before_us": found.before_us,
        "after_us": found.after_us,
        "snapshot": url_for("media.snapshot", camera=found.camera.slug),
    }  # fmt: skip


def _cause(hole: Hole) -> str | None:
    return hole.cause if hole.cause is None or hole.said else cause_text(hole.cause)


def _segment(one: Footage, first_s: float, *, anew: bool) -> dict[str, Any]:
    row = one.segment
    return {
        "id": row.id, "start_us": row.start_us, "end_us": row.end_us, "fps": row.fps,
        "width": row.width, "height": row.height, "codec": row.codec,
        "audio": row.audio_codec is not None and not one.is_masked and not anew,
        "first_s": first_s, "masked": one.is_masked,
        "still": addresses.still_address(
            row, _case(), addresses.seen_through([one]), transcoded=anew
        ),
    }  # fmt: skip
