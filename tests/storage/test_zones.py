"""Privacy zones: when they count, what they fill, and that nothing goes around them."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import update

from storage import audit, schema, zone_making
from storage.api_tokens import add_token
from storage.clock import US, rfc3339
from storage.errors import Conflict, Denied, Invalid, NotFound
from storage.grants import Place, add_grant
from storage.masking import FILL, masked
from storage.people import add_user, find_user
from storage.reading import footage, require_originals
from storage.register import find_camera
from storage.rights import Verb
from storage.vocabulary import Actor, Role, Segment, Span
from storage.zones import (
    Zone,
    hides_the_same,
    plain_polygon,
    zones,
    zones_of,
    zones_of_segments,
    zones_over,
)
from tests.storage.media import START_US, CommandLine, House

ROOT = Path(__file__).parents[2]
ADMIN = Actor("command line (uid 1)", None, "flats across the street")
INES = Actor("ines")
LEFT = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))
# Who reads files of which a part is hidden: they mask what they decode before it goes anywhere.
UNDER_THE_MASK = {"storage/reading.py", "indexer/pictures.py", "web/masked.py"}


def hide(house: House, name: str = "windows", camera: str = "gate", **how: object) -> Zone:
    facts: dict[str, object] = {"points": LEFT, "from_us": None, "until_us": None, **how}
    made = zone_making.add(
        house.directory, ADMIN, lambda tx: find_camera(tx, camera), name=name,
        **facts,  # type: ignore[arg-type]
    )  # fmt: skip
    return made.zone


def end(house: House, zone: Zone) -> Zone:
    return zone_making.end(house.directory, ADMIN, zone.id)


def hidden_of(house: House, row: Segment) -> list[str]:
    with house.ledger.read() as tx:
        return [zone.name for zone in zones_of_segments(tx, [row])[row.id]]


def investigator(house: House, *verbs: Verb) -> None:
    with house.ledger.write() as tx:
        user = add_user(
            tx, "ines", "correct horse battery", Role.INVESTIGATOR, created_us=1, must_change=False
        )
        add_grant(
            tx, user=user, verbs=set(verbs), place=Place(site=""), from_us=0, until_us=None,
            purpose="thefts", made_by="admin", at_us=0,
        )  # fmt: skip


def test_a_zone_counts_from_now_on_until_it_is_ended(house: House) -> None:
    house.clock.now = START_US + 10 * US
    before = house.segment("gate", START_US)
    zone = hide(house)
    during = house.segment("gate", START_US + 10 * US)
    house.clock.now = START_US + 20 * US
    ended = end(house, zone)
    after = house.segment("gate", START_US + 30 * US)
    assert [hidden_of(house, row) for row in (before, during, after)] == [[], ["windows"], []]
    assert (ended.until_us, ended.ended_by) == (house.clock.now, ADMIN.name)
    with house.ledger.read() as tx:
        assert zones_of(tx, before.camera_id, Span(0, START_US + 10 * US)) == []
        assert zones_of(tx, before.camera_id, Span(START_US + 20 * US, START_US + 21 * US)) == []
        assert zones_of(tx, before.camera_id, Span(0, START_US + 11 * US)) == [ended]
        assert zones_of(tx, before.camera_id + 1, Span(0, START_US + 11 * US)) == []


def test_a_zone_may_count_for_footage_of_before(house: House) -> None:
    house.clock.now = START_US + 60 * US
    rows = house.footage("gate", 3)
    other = house.segment("yard")
    hide(house, from_us=START_US + 2 * US + US // 2, until_us=START_US + 3 * US)
    assert [hidden_of(house, row) for row in rows] == [[], ["windows"], []]
    assert hidden_of(house, other) == []


def test_an_uncertain_clock_widens_what_is_hidden(house: House) -> None:
    row = house.segment("gate")  # ends at + 2 s, give or take 40 ms
    hide(house, "sure", from_us=row.end_us + 50_000)
    assert hidden_of(house, row) == []
    hide(house, "perhaps", from_us=row.end_us + 30_000)
    assert hidden_of(house, row) == ["perhaps"]


def test_ending_twice_or_an_unknown_zone_is_refused(house: House) -> None:
    house.camera("gate")
    zone = hide(house)
    house.clock.forward(US)
    with pytest.raises(Conflict, match="already"):
        hide(house)
    end(house, zone)
    with pytest.raises(Conflict, match="has ended"):
        end(house, zone)
    again = hide(house)  # the name is free again
    with pytest.raises(NotFound, match="zone 77"):
        zone_making.end(house.directory, ADMIN, 77)
    with pytest.raises(Invalid, match="reason"):
        zone_making.end(house.directory, Actor("x", None, "  "), again.id)


@pytest.mark.parametrize(
    ("points", "why"),
    [
        ([(0, 0), (1, 0)], "3 to 32"),
        ([(0, 0), (1, 0), (1, 1.1)], "fractions"),
        ([(0, 0), (1, 0), (float("nan"), 1)], "fractions"),
        ([(0, 0), (1, 1), (1, 0), (0, 1)], "crossing"),  # a bow tie
        ([(0, 0), (0.5, 0.5), (1, 1)], "crossing"),  # a line
        ([(0, 0), (1, 0), (1, 0), (0, 1)], "crossing"),
        ([(0, 0), (1, 0), (1, 1), (0.5, 0), (0, 1)], "crossing"),  # touches its own side
        ([(i / 40, 0.0) for i in range(33)], "3 to 32"),
    ],
)
def test_corners_that_make_no_area_are_refused(
    house: House, points: list[tuple[float, float]], why: str
) -> None:
    house.camera("gate")
    with pytest.raises(Invalid, match=why):
        hide(house, points=points)
    with house.ledger.read() as tx:
        assert audit.rows(tx, action="zone.add") == []


_UNIT = st.floats(0, 1, width=32)


@given(st.lists(st.tuples(_UNIT, _UNIT), min_size=3, max_size=7), st.integers(2, 90))
def test_every_pixel_inside_a_polygon_is_filled(
    points: list[tuple[float, float]], width: int
) -> None:
    try:
        corners = plain_polygon(points)
    except Invalid:
        return
    zone = Zone(1, 1, "z", corners, 0, None, "r", "me", 0)
    height = max(2, width * 9 // 16)
    filled = masked(np.zeros((height, width, 3), np.uint8), [zone])
    assert {tuple(pixel) for pixel in filled.reshape(-1, 3)} <= {FILL, (0, 0, 0)}
    for y in range(height):
        for x in range(width):
            if _inside((x + 0.5) / width, (y + 0.5) / height, corners):
                assert tuple(filled[y, x]) == FILL, (x, y)


def _inside(x: float, y: float, corners: tuple[tuple[float, float], ...]) -> bool:
    """By crossings of a ray to the right."""
    inside = False
    for (ax, ay), (bx, by) in zip(corners, (*corners[1:], corners[0]), strict=True):
        if (ay > y) != (by > y) and x < ax + (y - ay) / (by - ay) * (bx - ax):
            inside = not inside
    return inside


def test_a_picture_without_zones_is_left_as_it_is() -> None:
    picture = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    assert masked(picture, []) is picture
    zone = Zone(1, 1, "z", LEFT, 0, None, "r", "me", 0)
    assert masked(picture, [zone]) is not picture
    assert picture[0, 0, 0] == 0
    assert hides_the_same([zone], [zone, zone])
    assert not hides_the_same([zone], [])


def test_original_bytes_need_the_right_to_unmask(house: House) -> None:
    row = house.segment("gate")
    investigator(house, Verb.PLAY)
    assert footage(house.directory, row.id, INES, Verb.PLAY).media.size_bytes()
    hide(house, from_us=0)
    found = footage(house.directory, row.id, INES, Verb.PLAY)
    assert found.is_masked
    with pytest.raises(Denied, match="privacy zones hide a part of camera gate"):
        _ = found.media
    with house.ledger.read() as tx:
        camera, span = find_camera(tx, "gate"), Span(row.start_us, row.end_us)
        with pytest.raises(Denied, match=r"\(windows\).*redacted copy"):
            require_originals(tx, INES, [camera], span, 0)
        require_originals(tx, INES, [camera], Span(0, row.start_us), 0)  # nothing kept there
        require_originals(tx, ADMIN, [camera], span, 0)


def test_originals_of_footage_that_is_gone_stay_hidden_in_a_bundle_made_before(
    house: House,
) -> None:
    row = house.segment("gate")
    investigator(house, Verb.EXPORT)
    hide(house, from_us=0)
    with house.ledger.write() as tx:
        tx.execute(
            update(schema.segment).values(state="expired", expired_us=1, expired_rule="retention")
        )
    with house.ledger.read() as tx:
        camera, span = find_camera(tx, "gate"), Span(row.start_us, row.end_us)
        with pytest.raises(Denied, match="windows"):
            require_originals(tx, INES, [camera], span, 0)


def test_zones_over_a_span_are_those_of_its_segments(house: House) -> None:
    row = replace(house.segment("gate"), clock_error_us=2 * US)
    with house.ledger.write() as tx:
        tx.execute(update(schema.segment).values(clock_error_us=row.clock_error_us))
    times = [row.start_us + s * US for s in (-9, -2, -1, 1, 3, 4, 9)]
    for from_us in times:
        for until_us in (None, *(one for one in times if one > from_us)):
            hide(house, f"{from_us} {until_us}", from_us=from_us, until_us=until_us)
    with house.ledger.read() as tx:
        instant = Span(row.start_us + US, row.start_us + US + 1)
        found = zones_over(tx, row.camera_id, instant)
        assert tuple(found) == zones_of_segments(tx, [row])[row.id]
        assert 0 < len(found) < len(zones(tx))
        assert zones_over(tx, row.camera_id, Span(0, row.start_us)) == []


def test_whoever_was_granted_it_reads_originals_but_no_token_of_theirs(house: House) -> None:
    row = house.segment("gate")
    investigator(house, Verb.PLAY, Verb.UNMASK)
    hide(house, from_us=0)
    found = footage(house.directory, row.id, INES, Verb.PLAY)
    assert not found.is_masked
    assert found.media.size_bytes() == row.size_bytes
    by_token = Actor("ines", token="1 a script")
    assert footage(house.directory, row.id, by_token, Verb.PLAY).is_masked
    with house.ledger.write() as tx, pytest.raises(Invalid, match="unmask"):
        add_token(
            tx, find_user(tx, "ines"), "script", {Verb.UNMASK}, days=1, created_by="x",
            now_us=0,
        )  # fmt: skip


def test_no_room_reads_under_the_mask() -> None:
    found = set()
    for room in ("storage", "recorder", "indexer", "search", "evidence", "web"):
        for path in (ROOT / room).rglob("*.py"):
            if "node_modules" in path.parts:
                continue
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Attribute) and node.attr == "under_mask":
                    found.add(str(path.relative_to(ROOT)))
    assert found <= UNDER_THE_MASK


def test_the_commands_tell_the_life_of_a_zone(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    row = house.segment("gate")
    hindsight = CommandLine(house.root, capsys)
    made = hindsight.json(
        "zone", "add", "gate", "windows", "--points", "0,0,0.5,0,0.5,1", "--reason", "flats",
        "--from", rfc3339(row.start_us),
    )  # fmt: skip
    assert (made["segments"], made["points"]) == (1, [[0, 0], [0.5, 0], [0.5, 1]])
    assert [one["name"] for one in hindsight.json("zone", "list")] == ["windows"]
    assert "flats" in hindsight("zone", "list", "--camera", "gate").out
    said = hindsight("zone", "end", str(made["id"]), "--reason", "moved")
    assert "stays hidden" in said.out
    assert hindsight.json("zone", "list") == []
    (ended,) = hindsight.json("zone", "list", "--all")
    assert ended["end_reason"] == "moved"
    assert hidden_of(house, row) == ["windows"]
    with house.ledger.read() as tx:
        rows = [*audit.rows(tx, action="zone.add"), *audit.rows(tx, action="zone.end")]
    assert [(one.subject, one.reason) for one in rows] == [("gate", "flats"), ("gate", "moved")]
    assert hindsight("zone", "add", "gate", "x", "--points", "0,a", "--reason", "r").code == 4


def test_an_api_token_ends_no_zone(house: House) -> None:
    house.camera()
    zone = hide(house)
    with pytest.raises(Denied):
        zone_making.end(house.directory, replace(ADMIN, token="1 robot"), zone.id)
    with house.ledger.read() as tx:
        assert [one.until_us for one in zones(tx)] == [None]
