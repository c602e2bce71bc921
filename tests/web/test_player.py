"""The player's own addresses: several cameras, neighbours, small pictures of the strip, previews,
and what it says of a file that is gone."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import av
import pytest

from storage.clock import US
from storage.grants import Place, add_grant
from storage.people import find_user
from storage.rights import Verb
from tests.web.desk import NOW_US, Desk
from tests.web.footage import START_US, keep, number_of, register, write_clip
from web import masked
from web.nearby import ranked

HERE = {"lon": 121.4637, "lat": 31.2404}


def test_up_to_four_cameras_stand_on_one_page_and_a_fifth_is_refused(archive: Desk) -> None:
    for name in ("Yard", "Lane", "Roof", "Shed"):
        register(archive.directory, name)
    ines = archive.person()
    page = ines.get("/player?camera=gate&camera=yard&camera=lane&camera=roof&camera=yard")
    assert page.text.count("data-tile") == 3
    assert "camera=yard&amp;camera=gate&amp;camera=lane" in page.text  # make it the main one
    assert "data-beside-form" not in page.text  # it is full
    refused = ines.get("/player?camera=gate&camera=yard&camera=lane&camera=roof&camera=shed")
    assert refused.status_code == 422


def test_neighbours_are_those_one_may_play_the_nearest_first(archive: Desk, clips: Path) -> None:
    directory = archive.directory
    gate = register(directory, "Corner", **HERE)
    near = register(directory, "Near", lon=121.4647, lat=31.2404, site="South/Hall")
    far = register(directory, "Far", lon=121.49, lat=31.2404, site="South/Hall")
    secret = register(directory, "Secret", lon=121.4638, lat=31.2404, site="Vault")
    nowhere = register(directory, "Nowhere", site="North/Yard")
    for one in (gate, near, secret, nowhere):
        keep(directory, one, clips / "one.mp4", START_US)
    assert [one.slug for one, _ in ranked(gate, [far, nowhere, secret, near, gate])] == [
        "secret", "near", "far", "nowhere",
    ]  # fmt: skip
    nora = archive.person("nora", granted=False)
    with directory.ledger.write() as tx:
        for site in ("North", "South"):
            add_grant(
                tx, user=find_user(tx, "nora"), verbs={Verb.PLAY}, place=Place(site=site),
                from_us=0, until_us=None, purpose="thefts", made_by="admin", at_us=NOW_US,
            )  # fmt: skip
    seen = nora.get(f"/player/corner/near?at={START_US + US}").text
    told = re.findall(r"<p><b>(.+?)</b> <span class=\"dim\">(.+?)</span>", seen)
    assert [name for name, _ in told[:2]] == ["Near", "Far"]
    assert {name for name, _ in told[2:]} == {"gate", "Nowhere"}  # of the same site
    assert [away for _, away in told] == ["95 m", "2.5 km", "same site", "same site"]
    assert "secret" not in seen.lower()
    assert "nothing is kept here" in seen  # of Far
    shown = json.loads(archive.audited("view")[-1].detail)["cameras"]
    assert "near" in shown
    assert "far" not in shown
    picture = re.search(r'src="(/media/picture/[^"]+)"', seen)
    assert picture
    assert nora.get(picture[1].replace("&amp;", "&")).status_code == 200
    assert nora.get(f"/player/secret/near?at={START_US}").status_code in (403, 404)


def test_small_pictures_of_a_strip_are_one_audited_look_a_minute(archive: Desk) -> None:
    ines = archive.person()
    span = {"from": START_US, "to": START_US + 60 * US}
    look = ines.get("/player/gate/scrub.json", query_string=span).json
    assert [json.loads(row.detail)["for"] for row in archive.audited("view")] == ["scrubbing"]
    shown = ines.get(f"{look['picture']}&at={START_US + 3 * US}")
    assert shown.content_type == "image/jpeg"
    assert shown.headers["X-Picture-Time"] == str(START_US + 2 * US)
    again = ines.get(
        f"{look['picture']}&at={START_US + 3 * US}",
        headers={"If-None-Match": shown.headers["ETag"]},
    )
    assert again.status_code == 304
    assert ines.get(f"{look['picture']}&at={START_US + 6 * US}").status_code == 204  # the gap
    assert ines.get(f"{look['picture']}&at={START_US + 61 * US}").status_code == 403
    assert len(archive.audited("view")) == 1
    archive.clock.now = NOW_US + 60 * US
    assert ines.get(f"{look['picture']}&at={START_US}").status_code == 403
    assert ines.get("/player/gate/scrub.json?from=5&to=5").status_code == 422


def test_a_codec_that_browsers_lack_is_previewed_and_marked(archive: Desk, tmp_path: Path) -> None:
    old = register(archive.directory, "Old", url=None)
    clip = write_clip(tmp_path / "old.avi", codec="mpeg4", format="avi", options={})
    keep(archive.directory, old, clip, START_US, container="avi", codec="mpeg4", origin="import")
    ines = archive.person()
    plain = ines.get(f"/media/old/opening.json?at={START_US}&codecs=h264").json
    assert (plain["streamed"], plain["transcoded"]) == (False, False)
    found = ines.get(f"/media/old/opening.json?at={START_US}&codecs=h264&preview=1").json
    assert (found["streamed"], found["transcoded"]) == (True, True)
    looks = len(archive.audited("play"))
    playlist = ines.get(found["playlist"]).text
    assert len(archive.audited("play")) == looks  # the opening was the look
    init = re.search(r'MAP:URI="([^"]+)"', playlist)
    piece = next(line for line in playlist.splitlines() if "/masked/0.m4s" in line)
    assert init
    whole = ines.get(init[1]).data + ines.get(piece).data
    with av.open(io.BytesIO(whole)) as video:
        assert video.streams.video[0].codec_context.name == "h264"
        numbers = [number_of(f.to_ndarray(format="rgb24")) for f in video.decode(video=0)]
    assert numbers == list(range(50))
    # What plays as it is stays as it is.
    gate = ines.get(f"/media/gate/opening.json?at={START_US}&codecs=h264&preview=1").json
    assert (gate["transcoded"], gate["codec_string"][:5]) == (False, "avc1.")


def test_a_preview_that_takes_too_long_is_given_up(
    archive: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(masked, "MOST_S", -1.0)
    ines = archive.person()
    sent = archive.segments[0]
    found = ines.get(f"/media/gate/opening.json?at={START_US}&codecs=none&preview=1").json
    playlist = ines.get(found["playlist"]).text
    piece = next(line for line in playlist.splitlines() if f"{sent.id}/masked/0" in line)
    assert ines.get(piece).status_code == 503


def test_a_file_that_is_gone_is_a_hole_that_says_so(archive: Desk) -> None:
    ines = archive.person()
    lost = archive.segments[1]
    archive.directory.archive.media(lost).path.unlink()
    found = ines.get(f"/media/gate/opening.json?at={lost.start_us + US}").json
    assert [one["id"] for one in found["segments"]] == [
        archive.segments[0].id, archive.segments[2].id,
    ]  # fmt: skip
    assert found["at_us"] == archive.segments[2].start_us
    hole = next(one for one in found["holes"] if one["start_us"] == lost.start_us)
    assert "its file is gone" in hole["cause"]
    assert lost.id not in ines.get(found["playlist"]).text
    for one in (archive.segments[0], archive.segments[2]):
        archive.directory.archive.media(one).path.unlink()
    assert ines.get(f"/media/gate/opening.json?at={START_US}").status_code == 500
