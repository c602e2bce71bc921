"""The made street: same seed same pixels, truth that is true, keyframes where asked."""

from __future__ import annotations

import csv
import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from indexer.scenes import (
    Actor,
    Leg,
    SceneSpec,
    SceneTruth,
    Setting,
    View,
    render_picture,
    render_scene,
    standard_scenes,
    truth_path,
)
from indexer.scenes.__main__ import COLUMNS, main
from indexer.scenes.palette import ACTIONS, COLOURS, KINDS, family, phrase
from indexer.scenes.picture import Renderer
from indexer.scenes.sensor import Caption
from indexer.scenes.standard import SCENES, SCRIPT_S
from storage.clock import parse_time
from storage.errors import Invalid

CAMERAS = tuple(SCENES)
HUES = ("red", "orange", "yellow", "green", "blue")


def plain(*actors: Actor, **changes: Any) -> SceneSpec:
    """An empty grey yard seen from a pole, with `actors` on it."""
    spec = SceneSpec(
        "yard",
        "院子",
        "test/yard",
        3,
        31.3,
        120.6,
        View((0.0, -9.0, 5.0), pitch_deg=20),
        Setting((-12, -8, 12, 20), "concrete"),
        "a yard",
        "院子",
        actors,
        weather="overcast",
        seconds=4.0,
        width=320,
        height=180,
        bitrate_bps=600_000,
    )
    return dataclasses.replace(spec, **changes)


def passing(kind: str, colour: str, action: str = "driving") -> Actor:
    """Something that crosses the yard from left to right in under four seconds."""
    return Actor(kind, colour, 0.2, (Leg(action, ((-14.0, 3.0), (14.0, 3.0)), 8.5),))


def here(kind: str, colour: str, action: str, carrying: str | None = None) -> Actor:
    """Something in the middle of the yard."""
    leg = Leg(action, ((-0.1, 2.0), (0.4, 2.0)), 0.2, 0.0)
    if action in ("stopped", "standing", "fallen"):
        leg = Leg(action, ((0.0, 2.0), (1.0, 2.0)), seconds=3.0)
    return Actor(kind, colour, 0.0, (leg,), carrying)


def named(tones: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The colour name that each RGB tone (n, 3) would be given."""
    hsv = cv2.cvtColor(tones[None].astype(np.uint8), cv2.COLOR_RGB2HSV)[0].astype(int)
    hue, saturation, value = hsv.T
    pale = saturation < 100
    greys = np.select([value > 150, value > 75], ["white", "grey"], "black")
    ends = np.select([hue < 9, hue < 20, hue < 35, hue < 90, hue < 140], list(HUES), "red")
    return np.where(value < 45, "black", np.where(pale, greys, ends))


def decoded(path: Path) -> list[np.ndarray[Any, Any]]:
    """Every picture of a clip as RGB."""
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, SceneTruth]:
    """A red car crossing the yard, as a clip."""
    path = tmp_path_factory.mktemp("scene") / "yard.mp4"
    return path, render_scene(plain(passing("car", "red")), path)


@pytest.fixture(scope="module")
def streets() -> dict[str, Renderer]:
    """The standard cameras at a quarter of their size."""
    return {s.name: Renderer(s) for s in standard_scenes(5, width=320, height=180)}


def test_same_seed_gives_the_same_pixels(clip: tuple[Path, SceneTruth], tmp_path: Path) -> None:
    again = tmp_path / "again.mp4"
    render_scene(plain(passing("car", "red")), again)
    assert np.array_equal(decoded(clip[0]), decoded(again))
    assert truth_path(clip[0]).read_bytes() == truth_path(again).read_bytes()


def test_another_seed_gives_other_pixels() -> None:
    assert not np.array_equal(render_picture(plain(), 1.0), render_picture(plain(seed=2), 1.0))
    first, second = (
        [(a.colour, a.start_s) for s in standard_scenes(seed) for a in s.actors] for seed in (1, 2)
    )
    assert first != second


def test_boxes_hold_what_the_truth_says(clip: tuple[Path, SceneTruth]) -> None:
    path, truth = clip
    pictures = decoded(path)
    empty = pictures[0].astype(np.float32)
    (event,) = truth.events
    assert 2 <= len(event.boxes) <= 4
    for t_s, x, y, width, height in event.boxes:
        picture = pictures[round(t_s * truth.spec.fps)].astype(np.float32)
        changed = np.abs(picture - empty).max(axis=2) > 30
        inside = np.zeros_like(changed)
        inside[y : y + height, x : x + width] = True
        assert changed[inside].mean() > 0.4
        assert changed[~inside].mean() < 0.02
        red, green, blue = picture[inside & changed].mean(axis=0)
        assert red > 1.4 * max(green, blue)


def test_nobody_is_seen_outside_an_event(clip: tuple[Path, SceneTruth]) -> None:
    path, truth = clip
    pictures = [p.astype(np.float32) for p in decoded(path)]
    (event,) = truth.events
    assert event.start_s > 0.2
    for index in (1, round(event.start_s * 25) - 4, round(event.end_s * 25) + 4, 99):
        assert np.abs(pictures[index] - pictures[0]).max(axis=2).mean() < 8


@pytest.mark.parametrize("camera", CAMERAS)
def test_truth_of_the_standard_cameras_is_true(streets: dict[str, Renderer], camera: str) -> None:
    renderer = streets[camera]
    empty = renderer.scene.picture.astype(np.float32)
    seen: set[int] = set()
    for index in range(0, renderer.spec.frames, 20):
        picture, sightings = renderer.clean(index)
        changed = np.abs(picture.astype(np.float32) - empty).max(axis=2) > 8
        for sighting in sightings:
            x, y, width, height = sighting.box
            assert min(x, y) >= 0
            assert x + width <= 320
            assert y + height <= 180
            assert changed[y : y + height, x : x + width].mean() > 0.15
        seen.update(sighting.actor for sighting in sightings)
        if not sightings and not renderer.scene.lighting.glow:
            assert changed.mean() < 0.03  # at most a shadow that runs ahead
    assert seen == set(range(len(renderer.spec.actors)))


@pytest.mark.parametrize("camera", CAMERAS)
def test_loop_has_no_seam_and_quiet_stretches(streets: dict[str, Renderer], camera: str) -> None:
    renderer = streets[camera]
    last = renderer.spec.frames - 1
    first_picture, at_start = renderer.clean(0)
    last_picture, at_end = renderer.clean(last)
    assert (at_start, at_end) == ([], [])
    assert np.array_equal(first_picture, last_picture)
    gain = renderer._sensor.gain
    assert gain(renderer.spec.seconds) == pytest.approx(gain(0.0))
    quiet = [not renderer.clean(index)[1] for index in range(0, last, 25)]
    assert sum(quiet) >= 4


@pytest.mark.parametrize("camera", CAMERAS)
def test_nobody_appears_out_of_thin_air(streets: dict[str, Renderer], camera: str) -> None:
    renderer = streets[camera]
    for number, track in enumerate(renderer.tracks):
        start, end = round(track.actor.start_s * 25), round(track.end_s * 25)
        for frames in (range(start, end), range(end, start, -1)):
            boxes = ([s.box for s in renderer.clean(f)[1] if s.actor == number] for f in frames)
            x, y, width, height = next(found[0] for found in boxes if found)
            at_edge = min(x, y) <= 1 or x + width >= 319 or y + height >= 179
            assert at_edge or width < 9, (camera, track.actor.kind, frames[0] / 25)


def test_no_event_of_a_standard_scene_is_left_out() -> None:
    kinds, actions = set(), set()
    for spec in standard_scenes(9):
        assert len(spec.actors) >= 3
        kinds.update(actor.kind for actor in spec.actors)
        actions.update(leg.action for actor in spec.actors for leg in actor.legs)
    assert kinds == set(KINDS)
    assert {"fallen", "pushing a bicycle", "running", "standing", "turning"} <= actions
    assert len(standard_scenes(9)) == len(CAMERAS) >= 6


def test_short_clips_hold_whole_events_only_and_long_ones_repeat() -> None:
    short = standard_scenes(3, seconds=12.0)
    whole = standard_scenes(3)
    double = standard_scenes(3, seconds=2 * SCRIPT_S)
    for a, b, c in zip(short, whole, double, strict=True):
        assert len(a.actors) < len(b.actors)
        assert len(c.actors) == 2 * len(b.actors)


@pytest.mark.parametrize(("gop_s", "gop"), [(2.0, 50), (0.4, 10)])
def test_keyframes_come_as_often_as_asked(tmp_path: Path, gop_s: float, gop: int) -> None:
    path = tmp_path / "yard.mp4"
    render_scene(plain(passing("van", "blue"), gop_s=gop_s), path)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        packets = [packet for packet in container.demux(stream) if packet.size]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert stream.average_rate == 25
    assert [i for i, p in enumerate(packets) if p.is_keyframe] == list(range(0, 100, gop))
    assert all(p.pts == p.dts for p in packets)  # no B-frames


def test_a_group_of_pictures_decodes_without_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "yard.mp4"
    render_scene(plain(passing("truck", "orange"), gop_s=1.0), path)
    whole = decoded(path)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        packets = [packet for packet in container.demux(stream) if packet.size]
        decoder = av.CodecContext.create("h264", "r")
        decoder.extradata = stream.codec_context.extradata
        frames = [f for p in [*packets[50:75], None] for f in decoder.decode(p)]
    assert len(frames) == 25
    assert np.array_equal(frames[0].to_ndarray(format="rgb24"), whole[50])
    assert np.array_equal(frames[-1].to_ndarray(format="rgb24"), whole[74])


MIXED = ("silver", "brown", "purple", "pink", "turquoise")  # which `named` has no name for


@pytest.mark.parametrize("colour", ["brown", "purple", "pink", "turquoise"])
@pytest.mark.parametrize("kind", ["bus", "person"])
def test_a_mixed_colour_shows_in_its_own_hue(kind: str, colour: str) -> None:
    action = "standing" if kind == "person" else "stopped"
    picture, (sighting,) = Renderer(plain(here(kind, colour, action))).clean(10)
    x, y, width, height = sighting.box
    tones = picture[y : y + height, x : x + width].reshape(-1, 3).astype(np.float32)
    shade = tones - tones.mean(axis=1, keepdims=True)
    wanted = np.array(COLOURS[colour]) - np.mean(COLOURS[colour])
    alike = shade @ wanted / (np.linalg.norm(shade, axis=1) * np.linalg.norm(wanted) + 1e-6)
    vivid = np.linalg.norm(shade, axis=1) > 15
    assert np.mean(vivid & (alike > 0.9)) > 0.1


@pytest.mark.parametrize("colour", [name for name in COLOURS if name not in MIXED])
@pytest.mark.parametrize("kind", ["bus", "person"])
def test_a_thing_has_the_colour_it_is_said_to_have(kind: str, colour: str) -> None:
    action = "standing" if kind == "person" else "stopped"
    setting = Setting((-12, -8, 12, 20), "asphalt")
    renderer = Renderer(plain(here(kind, colour, action), setting=setting))
    picture, (sighting,) = renderer.clean(10)
    x, y, width, height = sighting.box
    box = picture[y : y + height, x : x + width].astype(np.float32)
    changed = np.abs(box - renderer.scene.picture[y : y + height, x : x + width]).max(axis=2) > 12
    tones = box[changed]
    shares = {name: float(np.mean(named(tones) == name)) for name in COLOURS}
    assert shares[colour] > 0.15, shares
    others = [shares[name] for name in HUES if name != colour]
    assert max(others) < (0.5 * shares[colour] if colour in HUES else 0.15), shares


@pytest.mark.parametrize(("kind", "action"), [(k, a) for k in KINDS for a in ACTIONS[family(k)]])
def test_everything_can_be_drawn_and_said(kind: str, action: str) -> None:
    actor = here(kind, "red", action)
    picture, sightings = Renderer(plain(actor)).clean(12)
    assert picture.shape == (180, 320, 3)
    assert len(sightings) == 1
    en, zh = phrase(kind, "red", action, None)
    assert "red" in en
    assert "红色" in zh


@pytest.mark.parametrize("load", ["bag", "umbrella"])
def test_what_a_person_carries_shows_and_is_said(load: str) -> None:
    without = Renderer(plain(here("person", "blue", "standing"))).clean(5)[0]
    with_it = Renderer(plain(here("person", "blue", "standing", load))).clean(5)[0]
    assert (np.abs(with_it.astype(int) - without).max(axis=2) > 20).sum() > 30
    assert load in phrase("person", "blue", "standing", load)[0]


def test_truth_file_reads_as_it_says(clip: tuple[Path, SceneTruth]) -> None:
    path, _ = clip
    head, event = map(json.loads, truth_path(path).read_text(encoding="utf-8").splitlines())
    assert head["camera"] == "yard"
    assert (head["light"], head["weather"]) == ("day", "overcast")
    assert head["zh"].startswith("院子")
    assert event["en"] == "a red car drives past"
    assert event["zh"] == "一辆红色汽车驶过"
    assert event["carrying"] is None
    assert event["start_s"] < event["boxes"][0][0] < event["end_s"]


def test_legs_of_one_deed_are_one_event() -> None:
    spec = next(s for s in standard_scenes(5) if s.name == "car-park")
    car = next(actor for actor in spec.actors if actor.kind == "car")
    assert [leg.backwards for leg in car.legs] == [False, False, True, False]
    assert len({leg.action for leg in car.legs}) == 3


def test_clock_runs_in_the_cameras_zone() -> None:
    start_us = parse_time("2026-03-17T10:59:58Z")
    caption = Caption(plain(overlay_start_us=start_us))
    assert caption.text(0) == "2026-03-17 18:59:58  yard"
    assert caption.text(62) == "2026-03-17 19:00:00  yard"
    with_clock = render_picture(plain(overlay_start_us=start_us), 0.0)
    assert not np.array_equal(with_clock[:20], render_picture(plain(), 0.0)[:20])


@pytest.mark.parametrize(
    "changes",
    [
        {"light": "noon"},
        {"weather": "hail"},
        {"width": 321},
        {"height": 20},
        {"gop_s": 0.0},
        {"seconds": 0.0},
        {"setting": Setting((0, 0, 9, 9), "lava")},
        {"actors": (here("tank", "red", "driving"),)},
        {"actors": (here("car", "mauve", "driving"),)},
        {"actors": (here("car", "red", "flying"),)},
        {"actors": (here("person", "red", "walking", "piano"),)},
        {"actors": (Actor("car", "red", 0.0, (Leg("driving", ((0, 0), (1, 0)), 0.0),)),)},
        {"actors": (Actor("car", "red", 0.0, ()),)},
        {"actors": (dataclasses.replace(passing("car", "red"), start_s=2.0),)},
    ],
)
def test_a_scene_that_cannot_be_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(Invalid, match="scene yard"):
        Renderer(plain(**changes))


def test_command_writes_clips_truth_and_register(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "clips"
    argv = [
        "--out",
        str(out),
        "--seconds",
        "2",
        "--cameras",
        "ring-road,north-gate",
        "--jobs",
        "1",
        "--width",
        "320",
        "--height",
        "180",
        "--gop",
        "1",
    ]
    assert main(argv) == 0
    assert capsys.readouterr().out.count("\n") == 3
    with (out / "cameras.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert [row["name_zh"] for row in rows] == ["环路", "北门"]
    assert rows[0]["url"] == (out / "ring-road.mp4").resolve().as_uri() + "?loop=1"
    assert sorted(p.name for p in out.iterdir()) == [
        "cameras.csv",
        "north-gate.mp4",
        "north-gate.truth.jsonl",
        "ring-road.mp4",
        "ring-road.truth.jsonl",
    ]
    assert len(decoded(out / "ring-road.mp4")) == 50


def test_command_renders_in_processes_of_its_own(tmp_path: Path) -> None:
    ran = subprocess.run(
        [
            sys.executable,
            "-m",
            "indexer.scenes",
            "--out",
            str(tmp_path),
            "--seconds",
            "1",
            "--width",
            "128",
            "--height",
            "72",
            "--cameras",
            "ring-road,loading-yard",
            "--jobs",
            "2",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert (tmp_path / "loading-yard.mp4").exists()


def test_unknown_camera_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--out", str(tmp_path / "x"), "--cameras", "moon-base"]) == Invalid.exit_code
    assert "moon-base" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()
