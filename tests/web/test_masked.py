"""What the server sends of a camera with privacy zones: decoded, and looked at where they are."""

from __future__ import annotations

import io
import json
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from indexer.pictures import picture_of
from storage import zone_making
from storage.clock import US, rfc3339
from storage.grants import Place, add_grant
from storage.masking import FILL
from storage.people import find_user
from storage.reading import Footage, footage
from storage.register import find_camera
from storage.rights import Verb
from storage.vocabulary import Actor, Role
from tests.indexer.test_hidden_parts import clip
from tests.web.desk import NOW_US, Desk, Person
from tests.web.footage import HEIGHT, START_US, WIDTH, keep, number_of, register, write_clip
from web import masked

RIGHT = [(0.5, 0.0), (1.0, 0.0), (1.0, 1.0), (0.5, 1.0)]  # the low eight bits of the number
INES = Actor("ines")
Rgb = npt.NDArray[np.uint8]


def hide(desk: Desk, camera: str = "gate", name: str = "windows", **how: Any) -> int:
    facts = {"points": RIGHT, "from_us": 0, "until_us": None} | how
    made = zone_making.add(
        desk.directory, Actor("admin", None, "flats"), lambda tx: find_camera(tx, camera),
        name=name, **facts,
    )  # fmt: skip
    return made.zone.id


def granted(desk: Desk, *verbs: Verb, name: str = "ines", **place: Any) -> Person:
    someone = desk.person(name, granted=False)
    grant(desk, name, *verbs, **place)
    return someone


def grant(desk: Desk, name: str, *verbs: Verb, **place: Any) -> None:
    with desk.directory.ledger.write() as tx:
        add_grant(
            tx, user=find_user(tx, name), verbs=set(verbs), place=Place(**(place or {"site": ""})),
            from_us=0, until_us=NOW_US + 10**12, purpose="thefts", made_by="admin", at_us=NOW_US,
        )  # fmt: skip


def viewer(desk: Desk) -> Person:
    """May look at everything but what zones hide."""
    return granted(desk, Verb.SEARCH, Verb.PLAY, Verb.EXPORT)


def is_hidden(rgb: Rgb) -> bool:
    """Whether the right half is flat, and the left half is not."""
    half = rgb.shape[1] // 2
    flat = np.abs(rgb[:, half:].astype(int) - FILL[0]).max() <= 6
    return bool(flat) and int(rgb[:, : half - 8].min()) < 40


def image(data: bytes) -> Rgb:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def pieces_of(person: Person, at: int = START_US) -> list[tuple[str, str]]:
    """(address of the initialisation segment, of the piece) of all that is to be played."""
    playlist = person.get(person.opening("gate", at)["playlist"]).text
    found, init = [], ""
    for line in playlist.splitlines():
        if name := re.match(r'#EXT-X-MAP:URI="([^"]+)"', line):
            init = name[1]
        elif line.startswith("/"):
            found.append((init, line))
    return found


def bytes_of(desk: Desk, count: int = 40) -> list[bytes]:
    """Samples of the originals: what must be in no answer."""
    files = [desk.directory.archive.segment_file(row).read_bytes() for row in desk.segments]
    step = max(1, len(files[0]) // count)
    media = [data[data.index(b"mdat") :] for data in files]
    return [data[at : at + 24] for data in media for at in range(0, len(data) - 24, step)]


def seen(desk: Desk, who: Actor = INES) -> Footage:
    return footage(desk.directory, desk.segments[0].id, who, Verb.PLAY)


def test_playback_is_a_masked_preview_picture_by_picture(archive: Desk) -> None:
    hide(archive)
    ines = viewer(archive)
    opening = ines.opening()
    assert [one["masked"] for one in opening["segments"]] == [True, True, True]
    pieces = pieces_of(ines)
    assert len(pieces) == 3
    samples = bytes_of(archive)
    for i, (init, address) in enumerate(pieces):
        assert "/masked/0.m4s" in address
        head, body = ines.get(init), ines.get(address)
        assert (head.status_code, body.status_code) == (200, 200), body.text
        whole = head.data + body.data
        assert not [one for one in samples if one in whole]
        with av.open(io.BytesIO(whole)) as clip:
            frames = list(clip.decode(video=0))
        assert [frame.time for frame in frames] == pytest.approx([n / 25 for n in range(50)])
        for number, frame in enumerate(frames):
            rgb = frame.to_ndarray(format="rgb24")
            assert is_hidden(rgb)
            first = (0, 50, 0)[i] + number
            assert number_of(rgb) >> 8 == first >> 8


def test_no_address_gives_a_byte_of_an_original(archive: Desk) -> None:
    ines = viewer(archive)
    before = pieces_of(ines)  # signed while nothing was hidden
    assert all(address.split("?")[0].endswith(".mp4") for _, address in before)
    hide(archive)
    samples = bytes_of(archive)
    row = archive.segments[0].id
    for _, address in before:
        refused = ines.get(address)
        assert refused.status_code == 403
        assert "privacy zones hide a part of camera gate" in refused.json["detail"]
        part = ines.get(address, headers={"Range": "bytes=0-99"})
        assert part.status_code == 403
        init = ines.get(address.replace(".mp4?", "/init.mp4?"))
        assert init.status_code == 200
        assert not [one for one in samples if one in init.data]
    file = archive.directory.archive.segment_file(archive.segments[0])
    assert ines.get(f"/media/segment/{row}.mp4").status_code == 403
    assert file.read_bytes()[:600] not in ines.get(pieces_of(ines)[0][0]).data


def test_pictures_of_every_kind_are_masked(archive: Desk) -> None:
    ines = viewer(archive)
    still = ines.opening()["segments"][0]["still"] + f"&at={START_US + US}"
    snapshot = f"/media/gate/snapshot?at={START_US + US}"
    board = re.search(r'src="(/media/picture/[^"]+)"', ines.get("/cameras").text)
    assert board
    thumbnail = board[1].replace("&amp;", "&")
    addresses = (still, snapshot, thumbnail)
    tags = [ines.get(address).headers.get("ETag") for address in addresses]
    assert not any(is_hidden(image(ines.get(address).data)) for address in addresses)
    hide(archive)
    for address, tag in zip(addresses, tags, strict=True):
        asked = {"If-None-Match": tag} if tag else {}
        answer = ines.get(address, headers=asked)  # what was cached before is not shown
        assert answer.status_code == 200
        assert is_hidden(image(answer.data)), address
    with archive.directory.ledger.read() as tx:
        assert find_user(tx, "ines").enabled
    cached = archive.directory.made_of_segments.rglob("*.jpg")
    assert all(is_hidden(image(path.read_bytes())) for path in cached)


def test_whoever_may_unmask_gets_originals_and_is_known_to(archive: Desk) -> None:
    hide(archive)
    ines = viewer(archive)
    ines.opening()
    grant(archive, "ines", Verb.UNMASK)
    opening = ines.opening()
    assert not any(one["masked"] for one in opening["segments"])
    address = pieces_of(ines)[0][1]
    file = archive.directory.archive.segment_file(archive.segments[0])
    assert ines.get(address).data == file.read_bytes()
    still = ines.get(f"{opening['segments'][0]['still']}&at={START_US}")
    assert not is_hidden(image(still.data))
    row = archive.segments[0].id
    small = re.search(r'src="(/media/picture/[^"]+)"', ines.get("/cameras").text)
    assert small  # small pictures are the same for everybody
    assert is_hidden(image(ines.get(small[1].replace("&amp;", "&")).data))
    told = ["unmasked" in one.detail for one in archive.audited("play")]
    assert told[:2] == [False, True]
    assert json.loads(archive.audited("play")[1].detail)["unmasked"] == ["windows"]
    assert row in address


def test_a_preview_hides_from_whoever_may_unmask_too_and_its_row_says_nothing_else(
    archive: Desk,
) -> None:
    hide(archive)
    ines = granted(archive, Verb.PLAY, Verb.UNMASK)
    asked = f"/media/gate/opening.json?at={START_US}&codecs=none&preview=1"
    opening = ines.get(asked).json
    assert opening["transcoded"]
    assert all(one["masked"] for one in opening["segments"])
    text = ines.get(opening["playlist"]).text
    init = re.search(r'MAP:URI="([^"]+)"', text)
    piece = next(line for line in text.splitlines() if "/masked/0.m4s" in line)
    assert init
    with av.open(io.BytesIO(ines.get(init[1]).data + ines.get(piece).data)) as video:
        assert is_hidden(next(video.decode(video=0)).to_ndarray(format="rgb24"))
    still = opening["segments"][0]["still"]
    assert is_hidden(image(ines.get(f"{still}&at={START_US}").data))
    assert "unmasked" not in archive.audited("play")[-1].detail
    # What was signed for a preview opens nothing that shows more.
    bare = still.replace("&preview=1", "").replace("preview=1&", "")
    assert "preview" not in bare
    assert ines.get(f"{bare}&at={START_US}").status_code == 403


def test_a_snapshot_after_the_time_of_the_zone_that_hides_its_segment_names_it(
    archive: Desk,
) -> None:
    one = archive.segments[0]
    hide(archive, until_us=one.start_us + US // 2)
    ines = granted(archive, Verb.PLAY, Verb.UNMASK)
    answer = ines.get(f"/media/gate/snapshot?at={one.start_us + US + US // 2}")
    assert not is_hidden(image(answer.data))
    assert json.loads(archive.audited("snapshot")[-1].detail)["unmasked"] == ["windows"]


def test_no_address_signed_before_a_zone_shows_what_it_hides_without_a_row_that_names_it(
    archive: Desk,
) -> None:
    ines = granted(archive, Verb.PLAY, Verb.UNMASK)
    before = ines.opening()
    segment = pieces_of(ines)[0][1]
    hide(archive)
    for address in (segment, f"{before['segments'][0]['still']}&at={START_US}"):
        for tried in (address, f"{address}&zones=1"):
            refused = ines.get(tried)
            assert refused.status_code == 403
        assert "were changed after this was opened" in ines.get(address).json["detail"]
    rows = len(archive.audited("play"))
    again = ines.get(before["playlist"])
    assert again.status_code == 200
    assert len(archive.audited("play")) == rows + 1
    assert json.loads(archive.audited("play")[-1].detail)["unmasked"] == ["windows"]
    fresh = next(line for line in again.text.splitlines() if line.startswith("/"))
    assert ines.get(fresh).status_code == 200
    ines.get(ines.opening()["playlist"])
    assert len(archive.audited("play")) == rows + 2  # the opening named it


def test_footage_outside_the_time_of_a_zone_plays_as_it_is(archive: Desk) -> None:
    two = archive.segments[1]
    hide(archive, from_us=two.start_us + US, until_us=two.end_us - US // 2)
    ines = viewer(archive)
    assert [each["masked"] for each in ines.opening()["segments"]] == [False, True, False]
    playlist = pieces_of(ines)
    kinds = ["masked" in address for _, address in playlist]
    assert kinds == [False, False, True, False, False]
    assert ines.get(playlist[0][1]).status_code == 200


def test_previews_of_long_footage_come_in_short_pieces(desk: Desk, tmp_path: Path) -> None:
    gate = register(desk.directory, "gate")
    clip = write_clip(tmp_path / "long.mp4", count=125, fps=10, gop=30, b_frames=2)
    desk.segments.append(keep(desk.directory, gate, clip, START_US))
    hide(desk)
    ines = viewer(desk)
    pieces = pieces_of(ines)
    assert len(pieces) == 2  # a rest of half a second belongs to the last
    times: list[float] = []
    for init, address in pieces:
        whole = ines.get(init).data + ines.get(address).data
        with av.open(io.BytesIO(whole)) as played:
            for frame in played.decode(video=0):
                times.append(float(frame.time or 0))
                rgb = frame.to_ndarray(format="rgb24")
                assert is_hidden(rgb)
                assert (frame.width, frame.height) == (WIDTH, HEIGHT)
    assert times == pytest.approx([i / 10 for i in range(125)])
    beyond = pieces[0][1].replace("/masked/0", "/masked/2")
    assert ines.get(beyond).status_code == 404


def test_a_large_picture_is_made_smaller(desk: Desk, tmp_path: Path) -> None:
    path = tmp_path / "large.mp4"
    with av.open(str(path), "w", options={"movflags": "frag_keyframe+empty_moov"}) as target:
        stream = target.add_stream("libx264", rate=5)
        stream.width, stream.height, stream.pix_fmt = 1280, 1920, "yuv420p"
        for i in range(5):
            rgb = np.full((1920, 1280, 3), 240, np.uint8)
            rgb[:, 200:260] = 0
            frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
            frame.pts = i
            target.mux(stream.encode(frame))
        target.mux(stream.encode(None))
    gate = register(desk.directory, "gate")
    desk.segments.append(keep(desk.directory, gate, path, START_US))
    hide(desk)
    viewer(desk)
    whole = masked.init(seen(desk)) + masked.piece(desk.directory, seen(desk), 0)
    with av.open(io.BytesIO(whole)) as played:
        (first, *_) = played.decode(video=0)
    assert (first.width, first.height) == (640, 960)
    assert is_hidden(first.to_ndarray(format="rgb24"))


def test_recordings_that_differ_only_in_a_zone_give_the_same_preview(
    desk: Desk, tmp_path: Path
) -> None:
    gate = register(desk.directory, "gate")
    rows = [
        keep(desk.directory, gate, clip(tmp_path / f"{seed}.mp4", seed), START_US + seed * 60 * US)
        for seed in (1, 2)
    ]
    assert rows[0].sha256 != rows[1].sha256
    hide(desk, points=[(0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0)])
    viewer(desk)
    found = [footage(desk.directory, row.id, INES, Verb.PLAY) for row in rows]
    one, other = (masked.piece(desk.directory, each, 0) for each in found)
    assert one == other
    stills = [picture_of(each, each.segment.start_us + US).rgb for each in found]
    assert np.array_equal(*stills)
    admin = [footage(desk.directory, row.id, Actor("admin"), Verb.PLAY) for row in rows]
    assert not np.array_equal(*(picture_of(e, e.segment.start_us + US).rgb for e in admin))


def test_a_preview_is_made_once_for_all_who_ask(
    archive: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    hide(archive)
    viewer(archive)
    made: list[tuple[int, int]] = []
    really = masked._made

    def counted(found: Footage, start_us: int, end_us: int) -> bytes:
        made.append((start_us, end_us))
        return really(found, start_us, end_us)

    monkeypatch.setattr(masked, "_made", counted)
    with ThreadPoolExecutor(4) as threads:
        both = list(
            threads.map(lambda _: masked.piece(archive.directory, seen(archive), 0), range(4))
        )
    assert len(made) == 1
    assert len(set(both)) == 1
    # Other zones, other pictures.
    hide(archive, name="door", points=[(0.0, 0.0), (0.2, 0.0), (0.2, 1.0)])
    assert masked.piece(archive.directory, seen(archive), 0) != both[0]
    assert len(made) == 2


def test_who_would_wait_too_long_is_told_to_ask_again(
    archive: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    hide(archive)
    ines = viewer(archive)
    (_, address), *_ = pieces_of(ines)
    go_on = Event()
    busy = [masked._makers().submit(go_on.wait, 30) for _ in range(masked.AT_ONCE)]
    monkeypatch.setattr(masked, "PATIENCE_S", 0.01)
    answer = ines.get(address)
    assert (answer.status_code, answer.json["type"]) == (503, "urn:hindsight:problem:unavailable")
    assert not list(archive.directory.made_of_segments.rglob("masked-*"))
    go_on.set()
    assert all(one.result() for one in busy)
    monkeypatch.undo()
    assert ines.get(address).status_code == 200


def test_a_damaged_preview_is_made_again(archive: Desk) -> None:
    hide(archive)
    viewer(archive)
    before = masked.piece(archive.directory, seen(archive), 0)
    (path,) = archive.directory.made_of_segments.rglob("masked-*")
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[len(flipped) // 2] ^= 1
    for damaged in (bytes(flipped), whole[:-9], b""):
        path.write_bytes(damaged)
        assert masked.piece(archive.directory, seen(archive), 0) == before
        assert path.read_bytes() == whole


def test_zones_are_added_and_ended_over_the_api(archive: Desk) -> None:
    ines = viewer(archive)
    omar = archive.person("omar", Role.OPERATOR)
    token = {"X-CSRF-Token": omar.token()}
    body = {"camera": "gate", "name": "windows", "points": RIGHT, "reason": "flats",
            "from": rfc3339(START_US)}  # fmt: skip
    made = omar.client.post("/api/v1/zones", json=body, headers=token)
    assert (made.status_code, made.json["segments"]) == (201, 3)
    assert is_hidden(image(ines.get(f"/media/gate/snapshot?at={START_US + US}").data))
    assert [one["name"] for one in ines.get("/api/v1/zones?camera=gate").json] == ["windows"]
    address = f"/api/v1/zones/{made.json['id']}/end"
    refused = ines.client.post(
        address, json={"reason": "r"}, headers={"X-CSRF-Token": ines.token()}
    )
    assert refused.status_code == 403
    archive.clock.forward(60 * US)
    ended = omar.client.post(address, json={"reason": "moved"}, headers=token)
    assert (ended.status_code, ended.json["end_reason"]) == (200, "moved")
    assert ines.get("/api/v1/zones").json == []
    assert len(ines.get("/api/v1/zones?ended=true").json) == 1
    assert [row.actor for row in archive.audited("zone.end")] == ["omar"]


def test_a_zone_of_a_hidden_camera_is_unknown(archive: Desk) -> None:
    register(archive.directory, "yard", site="South")
    number = hide(archive, "yard")
    mona = archive.person("mona", Role.MANAGER, granted=False)
    grant(archive, "mona", Verb.MANAGE, site="north/gate")
    token = {"X-CSRF-Token": mona.token()}
    answers = [
        mona.client.post(f"/api/v1/zones/{key}/end", json={"reason": "r"}, headers=token)
        for key in (number, 4711)
    ]
    assert [one.status_code for one in answers] == [404, 404]
    hidden, unknown = (one.text.replace("4711", "N") for one in answers)
    assert hidden.replace(f"zone {number} ", "zone N ").replace(f"/{number}/", "/N/") == unknown
    assert mona.get("/api/v1/zones").json == []


def test_a_zone_is_drawn_and_ended_on_the_cameras_page(archive: Desk) -> None:
    omar = archive.person("omar", Role.OPERATOR)
    page = "/cameras/gate/zones"
    assert "No picture can be shown" in omar.get(page).text  # operators do not watch
    typed = {"points": "0,0 1,1 1,0 0,1", "name": "<b>windows</b>", "reason": "flats"}
    refused = omar.post(page, typed, at=page)
    assert "without crossing" in refused.text
    assert "&lt;b&gt;windows&lt;/b&gt;" in refused.text  # what was typed stays, as text
    assert "<b>windows" not in refused.text
    drawn = {**typed, "points": "0.5,0 1,0 1,1 0.5,1", "from": rfc3339(START_US)}
    assert omar.post(page, drawn, at=page).status_code == 302
    assert "3 segments" in omar.get(page).text
    ines = viewer(archive)
    assert is_hidden(image(ines.get(f"/media/gate/snapshot?at={START_US + US}").data))
    assert "flats" in ines.get(page).text
    assert ines.post(page, drawn, at=page).status_code == 403
    archive.clock.forward(US)
    assert omar.post(f"{page}/1/end", {"reason": "moved"}, at=page).status_code == 302
    assert "ended by omar: moved" in omar.get(page).text
    assert omar.post(f"{page}/77/end", {"reason": "moved"}, at=page).status_code == 404
