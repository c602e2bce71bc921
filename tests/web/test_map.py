"""The map: cameras by place and state, what a search found there, and what lies under them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy import delete

from storage import schema
from storage.camera_states import set_state
from storage.clock import US
from storage.settings_web import WebSettings
from storage.vocabulary import CameraState, Role
from tests.storage.media import new_house
from tests.web.desk import NOW_US, Desk, Person
from tests.web.footage import START_US, keep, register, write_clip
from tests.web.tiles import png, write_pmtiles
from web.cityplan import mark_of


def say(desk: Desk, slug: str, state: str, ago_s: float = 1) -> None:
    """The recorder's last word on a camera."""
    known = dict.fromkeys(("last_packet_us", "bitrate_bps", "fps", "gop_s", "error"))
    with desk.directory.ledger.write() as tx:
        set_state(tx, CameraState(
            camera_id=desk.cameras[slug].id, state=state, since_us=NOW_US - 60 * US,
            alive_us=NOW_US - round(ago_s * US), restarts=0, **known,
        ))  # fmt: skip


def under(desk: Desk, **settings: Any) -> None:
    """The settings of the map."""
    web = desk.directory.settings.web.model_copy(update=settings)
    changed = desk.directory.settings.model_copy(update={"web": web})
    object.__setattr__(desk.directory, "settings", changed)


def rows(page: str) -> dict[str, bool]:
    """Camera of the tree → whether its row is shown."""
    found = re.findall(r'<li data-camera="([^"]+)"( hidden)?>', page)
    return {slug: not hidden for slug, hidden in found}


@dataclass
class Town:
    """Four cameras, one whose place nobody entered and which only imports; who looks at them."""

    desk: Desk
    ines: Person
    omar: Person

    @property
    def folder(self) -> Path:
        """The data directory."""
        return self.desk.directory.root


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    folder = tmp_path_factory.mktemp("town")
    house = new_house(folder / "data", NOW_US)
    desk = Desk(house.directory, house.clock)
    for name, site, facts in (
        ("gate", "City/North/Gate", {"lat": 31.24, "lon": 121.46, "view_deg": 90, "site_class": 1}),
        ("yard", "City/North/Yard", {"lat": 31.241, "lon": 121.461}),
        ("lane", "City/South/Lane", {"lat": 31.22, "lon": 121.47}),
        ("attic", "City/South/Attic", {"url": None}),
    ):
        desk.cameras[name] = register(desk.directory, name, site=site, **facts)
    keep(desk.directory, desk.cameras["gate"], write_clip(folder / "clip.mp4", count=5), START_US)
    yield Town(desk, desk.person("ines"), desk.person("omar", Role.OPERATOR))
    desk.close()


@pytest.fixture
def town(built: Town) -> Iterator[Town]:
    """The town, whose settings, clock and states are put back."""
    yield built
    under(built.desk, map_tiles="", map_credit="")
    built.desk.clock.now = NOW_US
    with built.desk.directory.ledger.write() as tx:
        tx.execute(delete(schema.camera_state))


def test_the_list_says_without_a_script_who_stands_how(town: Town) -> None:
    ines = town.ines
    say(town.desk, "gate", "recording")
    say(town.desk, "yard", "stalled")
    say(town.desk, "lane", "recording", ago_s=600)
    page = ines.get("/map").text
    assert rows(page) == dict.fromkeys(("gate", "yard", "lane", "attic"), True)
    assert "Not on the map: 1" in page
    assert "1 of 2 recording" in page  # in the north
    marks = {one.slug: mark_of(one, None, NOW_US) for one in town.desk.cameras.values()}
    assert marks == {"gate": "unknown", "yard": "unknown", "lane": "unknown", "attic": "off"}
    states = ines.get("/api/v1/map/states").json["states"]
    assert {mark: slugs for mark, slugs in states.items() if slugs} == {
        "on": ["gate"], "lost": ["yard"], "stale": ["lane"], "off": ["attic"],
    }  # fmt: skip
    north = rows(ines.get("/map?place=City/North").text)
    assert (north["gate"], north["yard"], north["lane"]) == (True, True, False)
    assert "2 of 4 cameras shown" in ines.get("/map?place=City/North").text
    lost = rows(ines.get("/map?state=lost").text)
    assert (lost["gate"], lost["yard"]) == (False, True)


def test_states_are_sent_again_only_when_one_changed(town: Town) -> None:
    omar = town.omar
    first = omar.get("/api/v1/map/states")
    asking = {"If-None-Match": first.headers["ETag"]}
    town.desk.clock.now += 15 * US
    again = omar.get("/api/v1/map/states", headers=asking)
    assert (again.status_code, again.data) == (304, b"")
    say(town.desk, "gate", "recording")
    told = omar.get("/api/v1/map/states", headers=asking)
    assert (told.status_code, told.json["states"]["on"]) == (200, ["gate"])
    assert told.json["register"] == first.json["register"]
    facts = omar.get("/api/v1/map").json
    assert facts["register"] == first.json["register"]
    gate = next(one for one in facts["cameras"] if one["slug"] == "gate")
    assert (gate["lat"], gate["view"], gate["class"]) == (31.24, 90, 1)


def test_the_picture_of_a_card_is_an_audited_look(town: Town) -> None:
    ines, omar = town.ines, town.omar
    page = ines.get("/map/cameras/gate").text
    assert "/media/picture/" in page
    assert "ago" in page
    assert "/search?camera=gate" in page
    (row,) = town.desk.audited("view")
    assert (row.actor, row.subject) == ("ines", "gate")
    page = omar.get("/map/cameras/gate").text
    assert "/media/picture/" not in page
    assert "/search?camera" not in page
    assert len(town.desk.audited("view")) == 1


@pytest.mark.parametrize("odd", ["least_box=nan", "top=1e999", "weekday=" + "9" * 5000])
def test_a_filter_that_is_no_number_is_said_on_the_map(town: Town, odd: str) -> None:
    answer = town.ines.get(f"/map?q=van&{odd}")
    assert answer.status_code == 422
    assert 'data-camera="gate"' in answer.text


def test_a_pmtiles_file_is_served_by_range(town: Town) -> None:
    ines = town.ines
    path = write_pmtiles(town.folder / "city.pmtiles", {(0, 0, 0): png(200, 220, 200)})
    under(town.desk, map_tiles="city.pmtiles", map_credit="© Somebody")
    page = ines.get("/map").text
    assert '"kind": "raster"' in page
    assert "vendor/pmtiles.js" in page
    assert "© Somebody" in page
    some = ines.get("/media/map/ground.pmtiles", headers={"Range": "bytes=0-6"})
    assert (some.status_code, some.data) == (206, b"PMTiles")
    assert some.headers["Content-Range"] == f"bytes 0-6/{path.stat().st_size}"
    same = ines.get("/media/map/ground.pmtiles", headers={"If-None-Match": some.headers["ETag"]})
    assert same.status_code == 304
    beyond = {"Range": f"bytes={path.stat().st_size}-"}
    assert ines.get("/media/map/ground.pmtiles", headers=beyond).status_code == 416


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda path: path.unlink(), "city.pmtiles is not there"),
        (lambda path: path.write_bytes(b"a picture"), "is no PMTiles file"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "ends too early"),
        (lambda path: path.write_bytes(b"PMTiles\x02" + path.read_bytes()[8:]), "of version 2"),
        (lambda path: write_pmtiles(path, {(0, 0, 0): b"?"}, kind=9), "of an unknown kind"),
        (lambda path: write_pmtiles(path, {(9, 1, 1): b"?"}, bounds=(0, 0, 9, 9)), "another place"),
    ],
)
def test_a_broken_map_file_is_said_and_the_cameras_stay(
    town: Town, damage: Any, said: str
) -> None:  # fmt: skip
    ines = town.ines
    path = write_pmtiles(town.folder / "city.pmtiles", {(0, 0, 0): png(0, 0, 0)})
    under(town.desk, map_tiles="city.pmtiles")
    damage(path)
    page = ines.get("/map").text
    assert said in page
    assert str(path.parent) not in page
    assert 'data-ground="plain"' in page
    assert 'data-camera="gate"' in page
    if "another place" not in said:
        assert ines.get("/media/map/ground.pmtiles").status_code == 404


def test_a_folder_of_tiles_is_served_and_nothing_beside_it(town: Town) -> None:
    ines = town.ines
    folder = town.folder / "tiles"
    (folder / "3" / "1").mkdir(parents=True)
    (folder / "3" / "1" / "2.png").write_bytes(png(1, 2, 3))
    under(town.desk, map_tiles="tiles")
    assert '"kind": "folder", "max": 3' in ines.get("/map").text
    tile = ines.get("/media/map/tiles/3/1/2")
    assert (tile.status_code, tile.content_type) == (200, "image/png")
    for none in ("3/1/7", "3/1/9", "99/1/1", f"3/1/{'9' * 400}"):
        assert ines.get(f"/media/map/tiles/{none}").status_code == 204
    for elsewhere in ("/media/map/tiles/3/1/..", "/media/map/tiles/3/../../ledger.db"):
        assert ines.get(elsewhere).status_code == 404
    under(town.desk, map_tiles="")
    assert ines.get("/media/map/tiles/3/1/2").status_code == 404


def test_a_tile_server_is_the_only_other_origin(town: Town) -> None:
    ines = town.ines
    assert "tiles.example" not in ines.get("/map").headers["Content-Security-Policy"]
    under(town.desk, map_tiles="https://tiles.example:8443/{z}/{x}/{y}.png?key=1")
    policy = ines.get("/map").headers["Content-Security-Policy"]
    assert "img-src 'self' https://tiles.example:8443 blob:" in policy
    assert policy.count("tiles.example") == 1
    elsewhere = ines.get("/cameras").headers["Content-Security-Policy"]
    assert "tiles.example" not in elsewhere


@pytest.mark.parametrize(
    "address",
    ["http://tiles.example/{z}/{x}/{y}.png", "https://tiles.example/{z}/{x}.png", "https://tiles.example/{z}/{x}/{y}{r}.png",
     "https://{s}.tiles.example/{z}/{x}/{y}.png", "https://a;script-src/{z}/{x}/{y}",
     "https://tiles.example /{z}/{x}/{y}", "javascript://{z}{x}{y}"],
)  # fmt: skip
def test_a_tile_server_that_will_not_do_is_refused(address: str) -> None:
    with pytest.raises(ValidationError):
        WebSettings(map_tiles=address)


def test_a_tile_server_of_this_machine_will_do(tmp_path: Path) -> None:
    address = "http://127.0.0.1:8000/{z}/{x}/{y}.png"
    assert WebSettings(map_tiles=address).map_tiles == address
