"""Playlists, ranges, stills and views: the bytes of the archive, and the look is known."""

from __future__ import annotations

import io
import json
import re
from itertools import pairwise
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import av
import numpy as np
import pytest
from PIL import Image

from storage import segments as ledger
from storage.clock import US, parse_time, rfc3339
from tests.web.desk import Desk, Person, opened
from tests.web.footage import START_US, fragments_of, keep, number_of, register, write_clip
from web import cache
from web.playable import playable

PLAYLIST = "application/vnd.apple.mpegurl"


def playlist_of(person: Person, camera: str, at: int) -> str:
    """The playlist a player loads there."""
    answer = person.get(person.opening(camera, at)["playlist"])
    assert answer.status_code == 200, answer.text
    assert answer.content_type == PLAYLIST
    return answer.text


def ranges_of(playlist: str) -> list[tuple[str, int, int]]:
    """(address, offset, length) of every piece, in order."""
    found = re.findall(r"#EXT-X-BYTERANGE:(\d+)@(\d+)\n(\S+)", playlist)
    return [(address, int(offset), int(length)) for length, offset, address in found]


def init_of(person: Person, playlist: str) -> bytes:
    """What the first EXT-X-MAP names."""
    found = re.search(r'#EXT-X-MAP:URI="([^"]+)"(?:,BYTERANGE="(\d+)@0")?', playlist)
    assert found
    whole = person.get(found[1]).data
    return whole[: int(found[2])] if found[2] else whole


def picture_numbers(data: bytes) -> list[int]:
    """What the pictures of a clip say, in order of showing."""
    with av.open(io.BytesIO(data)) as clip:
        return [number_of(f.to_ndarray(format="rgb24")) for f in clip.decode(video=0)]


def test_playlist_names_every_byte_of_every_segment_once(archive: Desk) -> None:
    ines = archive.person()
    playlist = playlist_of(ines, "gate", START_US)
    maps = re.findall(r'#EXT-X-MAP:URI="([^"]+)",BYTERANGE="(\d+)@0"', playlist)
    assert len(maps) == 3
    assert playlist.count("#EXT-X-DISCONTINUITY") == 2
    pieces = ranges_of(playlist)
    for row, (address, init_bytes) in zip(archive.segments, maps, strict=True):
        own = [(offset, length) for uri, offset, length in pieces if uri == address]
        assert own[0][0] == int(init_bytes)
        for (offset, length), (following, _) in pairwise(own):
            assert offset + length == following
        end = own[-1][0] + own[-1][1]
        # An mfra box of no use to playback may follow the last fragment.
        assert row.size_bytes - 200 <= end <= row.size_bytes
    target = int(re.search(r"TARGETDURATION:(\d+)", playlist)[1])  # type: ignore[index]
    lengths = [float(text) for text in re.findall(r"#EXTINF:([\d.]+)", playlist)]
    assert max(lengths) <= target
    assert sum(lengths) == pytest.approx(6.0, abs=1e-6)


def test_each_piece_tells_its_utc(archive: Desk) -> None:
    playlist = playlist_of(archive.person(), "gate", START_US)
    dates = re.findall(r"#EXT-X-PROGRAM-DATE-TIME:(\S+)", playlist)
    starts = [row.start_us + second * US for row in archive.segments for second in (0, 1)]
    assert [parse_time(date) for date in dates] == starts


def test_init_and_a_later_piece_decode_to_the_pictures_of_that_time(archive: Desk) -> None:
    ines = archive.person()
    playlist = playlist_of(ines, "gate", START_US)
    address, offset, length = ranges_of(playlist)[3]  # second piece of the second segment
    init = int(re.findall(r'BYTERANGE="(\d+)@0"', playlist)[1])
    parts = []
    for first, last in ((0, init - 1), (offset, offset + length - 1)):
        answer = ines.get(address, headers={"Range": f"bytes={first}-{last}"})
        assert answer.status_code == 206
        assert answer.headers["Content-Range"].startswith(f"bytes {first}-{last}/")
        parts.append(answer.data)
    assert picture_numbers(b"".join(parts)) == list(range(75, 100))


def test_segment_bytes_are_those_of_the_archive_and_cached_by_hash(archive: Desk) -> None:
    ines = archive.person()
    address = ranges_of(playlist_of(ines, "gate", START_US))[0][0]
    whole = ines.get(address)
    file = archive.directory.archive.segment_file(archive.segments[0])
    assert whole.data == file.read_bytes()
    again = ines.get(address, headers={"If-None-Match": whole.headers["ETag"]})
    assert again.status_code == 304
    beyond = ines.get(address, headers={"Range": "bytes=99999999-"})
    assert beyond.status_code == 416


def test_play_is_audited_once_before_bytes_leave(archive: Desk) -> None:
    ines = archive.person()
    assert not archive.audited("play")
    playlist = playlist_of(ines, "gate", START_US)
    for address, *_ in ranges_of(playlist):
        ines.get(address)
    rows = archive.audited("play")
    assert [(row.actor, row.subject) for row in rows] == [("ines", "gate")]
    bare = f"/media/gate/playlist.m3u8?from={rfc3339(START_US)}&to={rfc3339(START_US + US)}"
    assert ines.get(bare).status_code == 200  # a playlist without an opening is a look of its own
    assert len(archive.audited("play")) == 2
    assert ines.get(bare + "&sig=forged").status_code == 200
    assert len(archive.audited("play")) == 3


def test_a_moment_that_was_asked_for_is_audited_as_all_the_footage_it_opens(archive: Desk) -> None:
    """Segments are handed out whole: a row of one microsecond would hide the rest of the look."""
    ines, (one, two, _) = archive.person(), archive.segments
    at = two.start_us + 10
    for start_us, end_us, first in ((at, at + 1, two), (two.start_us - 1, at, one)):
        span = {"from": rfc3339(start_us), "to": rfc3339(end_us)}
        assert ines.get("/media/gate/playlist.m3u8", query_string=span).status_code == 200
        detail = json.loads(archive.audited("play")[-1].detail)
        assert (detail["from"], detail["to"]) == (rfc3339(first.start_us), rfc3339(two.end_us))


def test_case_and_reason_stand_in_the_audit_row(archive: Desk) -> None:
    from storage.cases import close_case, open_case

    with archive.directory.ledger.write() as tx:
        open_case(tx, "A-117", "burglary", "ines", START_US)
    ines = archive.person()
    ines.opening(case="A-117", reason="suspect vehicle")
    (row,) = archive.audited("play")
    assert (row.case_id, row.reason) == ("A-117", "suspect vehicle")
    with archive.directory.ledger.write() as tx:
        close_case(tx, "A-117", START_US)
    closed = ines.get(f"/media/gate/opening.json?at={START_US}&case=A-117")
    assert closed.status_code == 409
    assert len(archive.audited("play")) == 1


def test_opening_tells_the_hole_and_its_cause(archive: Desk) -> None:
    (hole,) = archive.person().opening()["holes"]
    _, two, three = archive.segments
    assert (hole["start_us"], hole["end_us"]) == (two.end_us, three.start_us)
    assert hole["cause"] == "no pictures came"


def test_instant_in_a_hole_opens_the_footage_after_it(archive: Desk) -> None:
    _, two, three = archive.segments
    ines = archive.person()
    assert ines.opening(at=two.end_us + US)["at_us"] == three.start_us
    assert ines.opening(at=three.end_us + 3600 * US)["at_us"] == three.end_us - 1
    assert ines.opening(at=0)["at_us"] == START_US
    register(archive.directory, "empty")
    assert ines.get("/media/empty/opening.json?at=0").status_code == 404
    assert ines.get("/media/nowhere/opening.json?at=0").status_code == 404
    assert ines.get("/media/gate/opening.json?at=yesterday").status_code == 422


def test_long_footage_is_opened_in_windows(desk: Desk, clips: Path) -> None:
    gate = register(desk.directory, "gate")
    for minute in range(0, 60, 5):
        keep(desk.directory, gate, clips / "one.mp4", START_US + minute * 60 * US)
    found = desk.person().opening(at=START_US + 10 * 60 * US)
    assert len(found["segments"]) == 3  # 15 minutes on
    assert found["after_us"] == START_US + 25 * 60 * US
    assert START_US + 5 * 60 * US <= found["before_us"] < START_US + 10 * 60 * US


def test_still_is_the_exact_picture(archive: Desk) -> None:
    ines = archive.person()
    still = ines.opening()["segments"][1]["still"]
    at = archive.segments[1].start_us + 13 * 40_000
    answer = ines.get(f"{still}&at={at}")
    assert answer.content_type == "image/jpeg"
    assert int(answer.headers["X-Picture-Time"]) == at
    assert number_of(np.asarray(Image.open(io.BytesIO(answer.data)))) == 63


def test_snapshot_is_lossless_named_and_audited(archive: Desk) -> None:
    ines = archive.person()
    at = START_US + 30 * 40_000
    answer = ines.get(f"/media/gate/snapshot?at={at + 1000}")
    picture = Image.open(io.BytesIO(answer.data))
    assert picture.format == "PNG"
    assert number_of(np.asarray(picture.convert("RGB"))) == 30
    assert "gate_20261116T130001.200000Z.png" in answer.headers["Content-Disposition"]
    (row,) = archive.audited("snapshot")
    assert rfc3339(at) in row.detail
    assert ines.get(f"/media/gate/snapshot?at={START_US - US}").status_code == 404


def test_thumbnails_are_made_once_by_size_and_swept_with_their_segment(archive: Desk) -> None:
    ines = archive.person()
    page = ines.get("/cameras").text
    address = re.search(r'src="(/media/picture/[^"]+)"', page)[1].replace("&amp;", "&")  # type: ignore[index]
    first = ines.get(address)
    assert first.status_code == 200
    assert Image.open(io.BytesIO(first.data)).width == 320
    same = ines.get(address, headers={"If-None-Match": first.headers["ETag"]})
    assert same.status_code == 304
    assert ines.get(address + "&w=640").status_code == 200
    assert ines.get(address + "&w=641").status_code == 422
    assert archive.audited("view")
    newest = archive.segments[2]
    folder = archive.directory.made_of_segments / newest.id
    assert len(list(folder.glob("*.jpg"))) == 2
    with archive.directory.ledger.write() as tx:
        ledger.expire(tx, [newest.id], "class 3: 30 days", START_US)
    assert ines.get(address).status_code == 404  # a cached picture does not outlive its footage
    with archive.directory.ledger.read() as tx:
        cache.sweep(archive.directory.made_of_segments, {row.id for row in ledger.iterate(tx)})
    assert not folder.exists()


def test_missing_file_is_said_not_hidden(archive: Desk) -> None:
    ines = archive.person()
    still = ines.opening()["segments"][0]["still"]
    archive.directory.archive.segment_file(archive.segments[0]).unlink()
    answer = ines.get(f"{still}&at={START_US}")
    assert answer.status_code == 500
    assert answer.json["type"] == "urn:hindsight:problem:data-loss"
    assert "is missing from volume main" in answer.json["detail"]
    opened = ines.get(f"/media/gate/opening.json?at={START_US}").json
    assert opened is not None
    gone = next(hole for hole in opened["holes"] if hole["start_us"] <= START_US < hole["end_us"])
    assert archive.segments[0].path in gone["cause"]


@pytest.mark.parametrize(
    ("name", "format", "options", "b_frames"),
    [("plain.mp4", None, {}, 2), ("clip.mkv", "matroska", {}, 0), ("clip.ts", "mpegts", {}, 2),
     ("clip.avi", "avi", {}, 0)],
)  # fmt: skip
def test_import_that_is_not_fragmented_plays_through_a_view(
    desk: Desk,
    tmp_path: Path,
    name: str,
    format: str | None,
    options: dict[str, str],
    b_frames: int,
) -> None:
    clip = write_clip(
        tmp_path / name, count=75, gop=25, options=options, format=format, b_frames=b_frames
    )
    gate = register(desk.directory, "gate", url=None)
    container = {"plain.mp4": "mp4"}.get(name, clip.suffix[1:])
    row = keep(desk.directory, gate, clip, START_US, container=container, origin="import")
    original = desk.directory.archive.segment_file(row)
    ines = desk.person()
    found = ines.opening()
    assert found["streamed"]
    playlist = playlist_of(ines, "gate", START_US)
    address, offset, length = ranges_of(playlist)[1]
    view = ines.get(address).data
    assert picture_numbers(view) == list(range(75))
    second = picture_numbers(init_of(ines, playlist) + view[offset : offset + length])
    assert second == list(range(25, 50))
    assert original.read_bytes() == clip.read_bytes()  # the original stays as it came
    made = playable(desk.directory, opened(desk.directory, row)).media.path
    assert made != original
    assert fragments_of(made) >= 3
    stamp = made.stat().st_mtime_ns
    again = playable(desk.directory, opened(desk.directory, row)).media.path
    assert again.stat().st_mtime_ns == stamp  # made once


def test_codec_no_browser_plays_is_shown_as_stills(desk: Desk, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "old.avi", codec="mpeg4", format="avi", options={})
    gate = register(desk.directory, "gate", url=None)
    keep(desk.directory, gate, clip, START_US, container="avi", codec="mpeg4", origin="import")
    ines = desk.person()
    found = ines.opening(at=START_US + 10 * 40_000)
    assert not found["streamed"]
    assert found["playlist"] is None
    assert found["codec"] == "mpeg4"
    answer = ines.get(f"{found['segments'][0]['still']}&at={START_US + 10 * 40_000 + 1000}")
    assert number_of(np.asarray(Image.open(io.BytesIO(answer.data)))) == 10
    bare = f"/media/gate/playlist.m3u8?from={rfc3339(START_US)}&to={rfc3339(START_US + US)}"
    assert ines.get(bare).status_code == 404


def test_browser_without_the_codec_gets_stills(archive: Desk) -> None:
    ines = archive.person()
    assert not ines.opening(codecs="vp9,av1")["streamed"]
    assert ines.opening(codecs="h264")["streamed"]


def test_damaged_import_falls_back_to_stills(desk: Desk, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mkv", format="matroska", options={})
    gate = register(desk.directory, "gate", url=None)
    row = keep(desk.directory, gate, clip, START_US, container="mkv", origin="import")
    desk.directory.archive.segment_file(row).write_bytes(b"nothing of a film")
    ines = desk.person()
    found = ines.opening()
    assert not found["streamed"]
    refused = ines.get(f"{found['segments'][0]['still']}&at={START_US}")
    assert refused.status_code in (422, 500)
    assert "Traceback" not in refused.text


def test_every_shared_clip_can_be_looked_at(desk: Desk, footage: Path) -> None:
    ines = desk.person()
    for number, clip in enumerate(sorted(footage.glob("*.*"))[:60]):
        if clip.suffix not in (".mp4", ".avi"):
            continue
        if number % 6 and clip.suffix != ".avi":
            continue  # every sixth, and all that are no MP4
        with av.open(str(clip)) as source:
            codec = source.streams.video[0].codec_context.name
        camera = register(desk.directory, clip.stem[:40], url=None)
        container = "avi" if clip.suffix == ".avi" else "mov"
        row = keep(
            desk.directory, camera, clip, START_US, container=container, codec=codec,
            origin="import",
        )  # fmt: skip
        found = ines.opening(camera.slug)
        assert found["streamed"] == (codec == "h264"), clip.name
        middle = (row.start_us + row.end_us) // 2
        still = ines.get(f"{found['segments'][0]['still']}&at={middle}")
        assert still.status_code == 200, (clip.name, still.text)
        if found["streamed"]:
            lengths = re.findall(r"#EXTINF:([\d.]+)", playlist_of(ines, camera.slug, START_US))
            played_s = sum(map(float, lengths))
            assert played_s == pytest.approx(row.duration_us / US, abs=0.2), clip.name


def test_playlist_address_is_bound_to_its_span(archive: Desk) -> None:
    ines = archive.person()
    address = ines.opening()["playlist"]
    asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
    assert set(asked) == {"from", "to", "codecs", "sig"}
    before = len(archive.audited("play"))
    wider = asked | {"to": rfc3339(START_US + 3600 * US)}
    assert ines.get("/media/gate/playlist.m3u8", query_string=wider).status_code == 200
    assert len(archive.audited("play")) == before + 1
