"""What is new and what is not: light, weather, wind, clocks and shaking are no news."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from indexer.health import LASTING_US
from indexer.memory import Memory
from indexer.regions import Box
from storage.clock import US
from storage.events import EventKind
from storage.lake import COVERED, FROZEN, MOVED
from storage.looks import Reason
from storage.settings import IndexerSettings
from tests.indexer.street import SIZE, START_US, Street, Watcher

RED, BLUE, WHITE = (190, 30, 35), (35, 60, 170), (225, 225, 220)
DULL = {Reason.STILL, Reason.KNOWN, Reason.SHAKEN}


def covers(regions: tuple[Box, ...], subject: tuple[int, int, int, int]) -> bool:
    """Whether a region holds the subject's middle and is not much larger than it needs to be."""
    x, y, w, h = subject
    return any(
        rx <= x + w / 2 <= rx + rw and ry <= y + h / 2 <= ry + rh and rw * rh <= 60 * 60 + 8 * w * h
        for rx, ry, rw, rh in regions
    )


@pytest.mark.parametrize("scene", range(6))
def test_a_still_street_is_embedded_once_and_then_at_every_heartbeat(scene: int) -> None:
    street, watcher = Street(scene), Watcher(IndexerSettings(heartbeat_s=60))
    reasons = [watcher.see(street.picture()).reason for _ in range(90)]
    assert reasons[0] is Reason.FIRST
    assert [i for i, reason in enumerate(reasons) if reason is Reason.HEARTBEAT] == [30, 60]
    assert set(reasons[1:]) - {Reason.HEARTBEAT} <= DULL


@pytest.mark.parametrize("scene", range(6))
@pytest.mark.parametrize("height", [16, 24, 40, 80])
def test_a_small_subject_gets_a_region_of_its_own(scene: int, height: int) -> None:
    street, watcher = Street(scene), Watcher()
    watcher.settle(street)
    for x, y, colour in ((300, 220, RED), (120, 250, BLUE), (480, 240, WHITE)):
        subject = (x, y, max(6, height * 2 // 5), height)
        verdict = watcher.see(street.picture(subjects=((*subject, colour),)))
        assert verdict.reason is Reason.NEW, (x, y)
        assert covers(verdict.regions, subject), (x, y, verdict.regions)
        watcher.see(street.picture())


def test_a_subject_that_stays_is_followed_and_embedded_again_only_after_a_while() -> None:
    street, watcher = Street(), Watcher(IndexerSettings(region_again_s=20))
    watcher.settle(street)
    there = street.picture
    reasons = [watcher.see(there(subjects=((300, 220, 20, 50, RED),))).reason for _ in range(11)]
    assert reasons[0] is Reason.NEW
    assert set(reasons[1:10]) <= DULL
    assert reasons[10] is Reason.NEW


def test_a_subject_that_walks_is_the_same_subject() -> None:
    street, watcher = Street(), Watcher()
    watcher.settle(street)
    found = [
        watcher.see(street.picture(subjects=((200 + 12 * i, 220, 20, 50, RED),))) for i in range(9)
    ]
    assert sum(len(verdict.regions) for verdict in found) <= 2


def test_another_subject_in_the_same_place_is_new() -> None:
    street, watcher = Street(), Watcher()
    watcher.settle(street)
    watcher.see(street.picture(subjects=((300, 220, 24, 50, RED),)))
    verdict = watcher.see(street.picture(subjects=((300, 220, 24, 50, BLUE),)))
    assert verdict.reason is Reason.NEW
    assert verdict.regions


def test_a_car_that_parks_becomes_part_of_the_scene_and_its_leaving_shows_no_ghost() -> None:
    street, watcher = Street(), Watcher()
    watcher.settle(street)
    car = ((260, 230, 90, 40, BLUE),)
    for _ in range(120):
        watcher.see(street.picture(subjects=car))
    assert watcher.see(street.picture(subjects=car)).reason in DULL
    walker = (400, 230, 16, 40)
    seen = watcher.see(street.picture(subjects=(*car, (*walker, RED))))
    assert covers(seen.regions, walker)
    assert len(seen.regions) == 1


@pytest.mark.parametrize("scene", range(6))
def test_a_burnt_in_clock_is_no_news(scene: int) -> None:
    street, watcher = Street(scene), Watcher()
    watcher.settle(street, 30, clock=0)
    reasons = [watcher.see(street.picture(clock=60 + 2 * i)).reason for i in range(60)]
    assert sum(reason not in DULL for reason in reasons) <= 6


def test_a_tree_in_the_wind_is_no_news_after_a_while_and_a_subject_beside_it_is() -> None:
    street, watcher = Street(), Watcher()
    watcher.settle(street, 60, tree=True)
    verdicts = [watcher.see(street.picture(tree=True)) for _ in range(60)]
    # Leaves that are others each time, without any likeness, are harder than any tree.
    assert sum(verdict.reason not in DULL for verdict in verdicts) <= 12
    walker = (460, 150, 16, 40)
    assert covers(
        watcher.see(street.picture(tree=True, subjects=((*walker, RED),))).regions, walker
    )


def test_rain_is_no_news_after_a_while() -> None:
    street, watcher = Street(), Watcher()
    watcher.settle(street, 30, rain=60)
    verdicts = [watcher.see(street.picture(rain=60)) for _ in range(60)]
    assert sum(verdict.reason not in DULL for verdict in verdicts) <= 6
    walker = (300, 220, 20, 50)
    assert covers(watcher.see(street.picture(rain=60, subjects=((*walker, RED),))).regions, walker)


def test_dusk_is_no_news_but_is_indexed_now_and_then() -> None:
    street, watcher = Street(), Watcher()
    watcher.settle(street)
    verdicts = [watcher.see(street.picture(gain=1 - 0.006 * i)) for i in range(100)]
    assert not any(verdict.regions for verdict in verdicts)
    whole = [verdict.reason for verdict in verdicts if verdict.whole]
    assert 1 <= len(whole) <= 5
    assert set(whole) == {Reason.LIGHT}


def test_a_cloud_before_the_sun_is_one_picture_at_most() -> None:
    street, watcher = Street(), Watcher()
    watcher.settle(street)
    verdicts = [watcher.see(street.picture(gain=0.7)) for _ in range(5)]
    verdicts += [watcher.see(street.picture()) for _ in range(5)]
    assert sum(len(verdict.regions) for verdict in verdicts) == 0
    assert sum(verdict.whole for verdict in verdicts) <= 2


def test_switching_to_infrared_and_back_is_one_picture_each() -> None:
    street, watcher = Street(), Watcher()
    watcher.settle(street)
    night = [watcher.see(street.picture(grey=True, gain=0.8)) for _ in range(20)]
    day = [watcher.see(street.picture()) for _ in range(20)]
    for verdicts in (night, day):
        assert verdicts[0].reason is Reason.SWITCHED
        assert verdicts[0].whole
        assert not verdicts[0].regions
        assert {verdict.reason for verdict in verdicts[1:]} <= DULL


def test_a_shaking_camera_is_no_news_and_a_subject_is_still_seen() -> None:
    street, watcher = Street(), Watcher()
    watcher.settle(street)
    lot = np.random.default_rng(2)
    for _ in range(40):
        right, down = (float(step) for step in lot.uniform(-6, 6, 2))
        assert watcher.see(street.picture(shift=(right, down))).reason in DULL
    walker = (300, 220, 20, 50)
    verdict = watcher.see(street.picture(shift=(5, -3), subjects=((*walker, RED),)))
    assert covers(verdict.regions, walker)


def test_sensitivity_trades_vectors_for_faint_subjects() -> None:
    found = []
    for sensitivity in (0.0, 0.5, 0.9):
        street, watcher = Street(), Watcher(IndexerSettings(sensitivity=sensitivity))
        watcher.settle(street)
        below = tuple(int(level) for level in street.empty[240, 310])
        count = 0
        for step in range(2, 40, 2):
            faint = (below[0] + step, below[1] + step, below[2] + step)
            seen = watcher.see(street.picture(subjects=((300, 220, 9, 20, faint),)))
            count += bool(seen.regions)
            watcher.see(street.picture())
        found.append(count)
    assert found[0] < found[2]
    assert found == sorted(found)


def test_at_full_sensitivity_every_picture_is_embedded_whole() -> None:
    street, watcher = Street(), Watcher(IndexerSettings(sensitivity=1))
    verdicts = [watcher.see(street.picture()) for _ in range(5)]
    assert all(verdict.whole for verdict in verdicts)
    assert watcher.gate.must_decode(0.0, watcher.at_us + 1, watcher.settings)


def test_without_regions_the_whole_picture_is_embedded_where_something_is_new() -> None:
    street, watcher = Street(), Watcher(IndexerSettings(regions=0))
    watcher.settle(street)
    verdict = watcher.see(street.picture(subjects=((300, 220, 20, 50, RED),)))
    assert (verdict.reason, verdict.whole, verdict.regions) == (Reason.NEW, True, ())


def test_no_more_regions_than_the_setting_says() -> None:
    street, watcher = Street(), Watcher(IndexerSettings(regions=3))
    watcher.settle(street)
    crowd = tuple((60 + 80 * i, 240, 18, 44, RED if i % 2 else BLUE) for i in range(7))
    assert len(watcher.see(street.picture(subjects=crowd)).regions) == 3


def test_what_is_remembered_survives_a_restart(tmp_path: Path) -> None:
    street, watcher = Street(), Watcher()
    watcher.settle(street, 40, tree=True, clock=0)
    memory = Memory(tmp_path / "scenes", 1 << 30)
    memory._gates[7] = watcher.gate
    memory._saved_us[7] = 0
    memory.keep()
    watcher.gate = Memory(tmp_path / "scenes", 1 << 30).gate(7)
    assert watcher.see(street.picture(tree=True, clock=95)).reason in DULL
    walker = (300, 220, 20, 50)
    verdict = watcher.see(street.picture(tree=True, clock=97, subjects=((*walker, RED),)))
    assert covers(verdict.regions, walker)
    watcher.gate = Memory(tmp_path / "scenes", 1 << 30).gate(8)
    assert watcher.see(street.picture()).reason is Reason.FIRST


def test_a_damaged_memory_is_learnt_anew(tmp_path: Path) -> None:
    memory = Memory(tmp_path, 1 << 30)
    for junk in (b"", b"PK\x03\x04", b"x" * 100):
        (tmp_path / "camera-3.npz").write_bytes(junk)
        assert Memory(tmp_path, 1 << 30).gate(3).scene is None
    assert memory.gate(3).scene is None


def test_memory_keeps_to_its_bytes_and_forgets_nothing(tmp_path: Path) -> None:
    street, watcher = Street(), Watcher()
    watcher.settle(street, 3)
    most = 3 * watcher.gate.memory_bytes
    memory = Memory(tmp_path, most)
    for camera in range(8):
        gate = memory.gate(camera)
        gate.decide(
            np.full((180, 320, 3), 100 + camera, np.uint8), START_US, SIZE, watcher.settings, None,
            key=True,
        )  # fmt: skip
        memory.used(camera)
    assert memory._held() <= most + watcher.gate.memory_bytes
    memory.keep()
    again = Memory(tmp_path, most)
    for camera in range(8):
        scene = again.gate(camera).scene
        assert scene is not None
        assert scene.mean[0, 0, 0] == 100 + camera


def test_a_covered_lens_and_another_view_are_flagged_and_told_once() -> None:
    street, watcher = Street(), Watcher()
    watcher.settle(street)
    hand = np.full((360, 640, 3), 60, np.uint8)
    lot = np.random.default_rng(1)
    for _ in range(40):
        noisy = (hand + lot.normal(0, 2, hand.shape)).clip(0, 255).astype(np.uint8)
        verdict = watcher.see(noisy)
        assert verdict.quality & COVERED
        assert not verdict.regions
    for _ in range(40):
        assert not watcher.see(street.picture()).quality & COVERED
    elsewhere = Street(3)
    flagged = [watcher.see(elsewhere.picture()).quality & MOVED for _ in range(60)]
    assert all(flagged[:10])
    assert not flagged[-1]  # after a while it is the scene
    assert [news.kind for news in watcher.gate.news] == [
        EventKind.PICTURE_COVERED, EventKind.PICTURE_GOOD, EventKind.PICTURE_MOVED,
    ]  # fmt: skip


def test_a_bus_before_the_lens_is_no_event() -> None:
    street, watcher = Street(), Watcher()
    watcher.settle(street)
    bus = ((0, 0, 640, 340, RED),)
    for _ in range(int(LASTING_US / 2 / US / 2)):
        watcher.see(street.picture(subjects=bus))
    for _ in range(40):
        watcher.see(street.picture())
    assert watcher.gate.news == []


def test_a_frozen_camera_is_told_and_costs_no_vectors() -> None:
    street, watcher = Street(), Watcher()
    watcher.settle(street)
    stuck = street.picture()
    watcher.see(stuck)
    verdicts = [watcher.see(stuck) for _ in range(60)]
    assert all(verdict.quality & FROZEN for verdict in verdicts)
    assert not any(verdict.whole or verdict.regions for verdict in verdicts)
    assert [news.kind for news in watcher.gate.news] == [EventKind.PICTURE_FROZEN]
