"""The index's backlog on the health desk: what is kept and not indexed, wherever it lies."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace

import pytest
from ulid import ULID

from storage import generations, schema, segments
from storage.clock import US
from storage.grants import Place, add_grant
from storage.people import find_user
from storage.rights import Verb
from storage.vocabulary import Camera, Role, Segment
from tests.web.desk import NOW_US, Desk
from tests.web.footage import START_US, register
from tests.web.test_health import DAY, HOUR_US, asked, rows_of, seat
from web.shapes_health import HealthNow

MINUTE_US = 60 * US


def filmed(desk: Desk, camera: Camera, start_us: int, minutes: int) -> list[Segment]:
    """A segment a minute, as rows alone: nobody opens them here."""
    rows = [
        replace(
            desk.segments[0], id=str(ULID()), camera_id=camera.id, camera=camera.slug,
            start_us=start_us + n * MINUTE_US, end_us=start_us + (n + 1) * MINUTE_US,
            duration_us=MINUTE_US, path=f"{camera.slug}/{n}-{start_us}.mp4",
        )
        for n in range(minutes)
    ]  # fmt: skip
    with desk.directory.ledger.write() as tx:
        for one in rows:
            segments.insert_segment(tx, one)
    return rows


def index(desk: Desk, some: Sequence[Segment], state: str = "done") -> None:
    """As an indexer of the active generation leaves them."""
    with desk.directory.ledger.write() as tx:
        active = generations.active_generation(tx)
        assert active is not None
        generations.forget(tx, [one.id for one in some], active.id)
        tx.execute(
            schema.index_work.insert(),
            [
                {"segment_id": one.id, "generation_id": active.id, "state": state, "worker": "w",
                 "attempts": 1, "frames": 1, "done_us": NOW_US}
                for one in some
            ],
        )  # fmt: skip


@pytest.fixture
def indexed(archive: Desk) -> Desk:
    """All that is there is indexed."""
    with archive.directory.ledger.write() as tx:
        generations.add_generation(
            tx, model="m", checkpoint=None, weights_hash="w", preprocess_hash="p", dimension=4,
            meaningful=True, state="active", at_us=1,
        )  # fmt: skip
    index(archive, archive.segments)
    return archive


def test_an_hour_in_the_middle_is_backlog_though_the_newest_footage_is_indexed(
    indexed: Desk,
) -> None:
    gate = indexed.cameras["gate"]
    first, hour, last = (
        filmed(indexed, gate, START_US - n * HOUR_US, 60 if n == 2 else 2) for n in (3, 2, 1)
    )
    index(indexed, [*first, *last])
    index(indexed, hour[:3], "failed")
    root = seat(indexed, "root", Role.ADMINISTRATOR)
    document = asked(root, "/api/v1/health")
    HealthNow.model_validate(document)
    mine = {"segments": 60, "footage_s": 3600, "failed": 3}
    assert document["index_lag_s"] == 0
    assert document["index_backlog"] == {
        **mine, "cameras": [{"camera": "gate", **mine}], "unread_hours": 0,
    }  # fmt: skip
    for address in ("/health/now", f"/health?day={DAY}"):
        assert "1 h 0 min not indexed yet · 60 segments · 3 failed" in root.get(address).text
    clocks = rows_of(root.get(f"/health/export?what=clocks&day={DAY}"))
    assert [
        (one["index behind, s"], one["not indexed, h"], one["segments not indexed"],
         one["of these failed"])
        for one in clocks
    ] == [("0.0", "1.0", "60", "3")]  # fmt: skip
    chinese = seat(indexed, "wei", Role.OPERATOR, lang="zh").get(f"/health?day={DAY}").text
    assert "尚未索引 1 小时 0 分 · 60 个片段 · 其中失败 3 个" in chinese
    index(indexed, hour)
    assert asked(root, "/api/v1/health")["index_backlog"] == {
        "segments": 0, "footage_s": 0, "failed": 0, "cameras": [], "unread_hours": 0,
    }  # fmt: skip
    page = root.get(f"/health?day={DAY}").text
    assert "all kept footage is indexed" in page
    assert "not indexed yet" not in page
    (row,) = rows_of(root.get(f"/health/export?what=clocks&day={DAY}"))
    assert (row["not indexed, h"], row["segments not indexed"]) == ("0.0", "0")


def test_before_anything_is_indexed_there_is_no_backlog_but_the_word_for_it(archive: Desk) -> None:
    root = seat(archive, "root", Role.ADMINISTRATOR)
    document = asked(root, "/api/v1/health")
    HealthNow.model_validate(document)
    assert document["index_backlog"] is None
    page = root.get(f"/health?day={DAY}").text
    assert "nothing is indexed yet" in page
    assert "all kept footage is indexed" not in page
    (row,) = rows_of(root.get(f"/health/export?what=clocks&day={DAY}"))
    assert (row["not indexed, h"], row["segments not indexed"]) == ("", "")


def test_a_camera_one_may_not_see_adds_nothing(indexed: Desk) -> None:
    yard = register(indexed.directory, "yard", site="South/Yard")
    filmed(indexed, yard, START_US - HOUR_US, 7)
    filmed(indexed, indexed.cameras["gate"], START_US - HOUR_US, 1)
    eve = seat(indexed, "eve", Role.OPERATOR, granted=False)
    with indexed.directory.ledger.write() as tx:
        add_grant(
            tx, user=find_user(tx, "eve"), verbs=[Verb.SEE], place=Place(site="North"), from_us=0,
            until_us=NOW_US + HOUR_US, purpose="a test", made_by="the test", at_us=NOW_US,
        )  # fmt: skip
    hers = asked(eve, "/api/v1/health")["index_backlog"]
    assert (hers["segments"], [one["camera"] for one in hers["cameras"]]) == (1, ["gate"])
    assert "1 min not indexed yet · 1 segment<" in eve.get("/health/now").text
    everybody = asked(seat(indexed, "root", Role.ADMINISTRATOR), "/api/v1/health")["index_backlog"]
    assert (everybody["segments"], everybody["cameras"][0]["camera"]) == (8, "yard")


def test_what_is_not_looked_through_yet_is_said_and_looked_through_behind(
    indexed: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    for ago in range(1, 9):
        filmed(indexed, indexed.cameras["gate"], START_US - ago * HOUR_US, 1)
    monkeypatch.setattr("storage.index_backlog.BUDGET_S", 0.0)
    root = seat(indexed, "root", Role.ADMINISTRATOR)
    page = root.get(f"/health?day={DAY}").text
    assert "2 hours are still being looked through: there may be more" in page
    assert "all kept footage is indexed" not in page
    assert page.count('<td class="n">–</td></tr>') == 1  # of a camera nothing is said by halves
    for one in threading.enumerate():
        if one.name == "index-backlog":
            one.join(30)
    found = asked(root, "/api/v1/health")["index_backlog"]
    assert (found["segments"], found["unread_hours"]) == (8, 0)
