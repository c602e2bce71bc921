"""What indexing a quiet camera-day costs against the peers' ways, and what of it can be found.

Made cameras with known truth (`day_stream`), HINDSIGHT_BENCH_HOURS of camera time each, 6 by
default. HINDSIGHT_BENCH_MODELS=nano,ViT-B-32 measures full-sized towers as well: their weights
are random, which changes no time.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from benchmarks import day_peers, day_stream
from benchmarks.day_finding import (
    all_reasons,
    ask,
    look_files,
    missed,
    part_files,
    reasons,
    region_share,
    rows,
    slack_us,
)
from benchmarks.day_models import Model, chosen_models
from benchmarks.day_schedule import MINUTES_OF_DAY
from benchmarks.day_stage import SIZE
from benchmarks.day_truth import Event
from benchmarks.house import Cost, house
from benchmarks.report import report
from indexer.embedder import NANO, load_model
from storage.clock import US
from storage.directory import DataDirectory, open_directory

SAMPLE = 10  # minutes of a day given to the peers
EVERY_FRAME, KEYFRAMES, FINDABLE = 50.0, 8.0, 0.98
INTERVAL_S = 2.0


@dataclass(frozen=True, slots=True)
class Peer:
    """Another way: its CPU-seconds for a minute of video, and how much cheaper ours shall be."""

    name: str
    cpu_s_a_minute: float
    wanted: float


def main() -> None:
    """Every model, every camera."""
    if not day_stream.available():
        print("real clips and crops are absent: the quiet day is not measured")  # noqa: T201
        return
    made = day_stream.day(day_stream.cache())
    minutes = round(day_stream.hours() * 60)
    print(f"{minutes / 60:g} h of camera time each")  # noqa: T201
    with chosen_models(NANO) as models:
        for model in models:
            startup = _startup(model)
            for camera in day_stream.CAMERAS if model.name == NANO else day_stream.CAMERAS[:1]:
                _camera(made, model, camera, minutes, startup)


def _camera(made: day_stream.Day, model: Model, camera: str, minutes: int, startup: Cost) -> None:
    """Index the camera's quiet minutes, then its day with events; measure the peers beside."""
    label = f"{camera}_{model.label}".replace("-", "_")
    quiet = made.shown(camera, minutes, events=False)
    sample = [quiet[i] for i in np.linspace(0, minutes - 1, SAMPLE).astype(int)]
    files = [made.files[camera][name].path for name in sample]
    threads = len(os.sched_getaffinity(0))
    plain = day_peers.in_float32(model.name, model.checkpoint, threads)
    best = load_model(model.name, model.checkpoint, threads)
    peers = (
        Peer("every_frame", day_peers.every_second(plain, files) / SAMPLE, EVERY_FRAME),
        Peer("keyframes", day_peers.every_keyframe(best, files) / SAMPLE, KEYFRAMES),
    )
    calm = made.shown(camera, minutes, events=False, calm=True)
    # Quiet is where nothing happens and nothing moves; then the same with wind, rain, clouds and
    # a mast that shakes.
    for what, names in (("quiet", calm), ("weather", quiet)):
        with _indexed(made, model, camera, names) as (directory, cost):
            _costs(f"index_{what}_{label}", cost, startup, minutes, peers)
            _vectors(f"{what}_{label}", directory, minutes)
    shown = made.shown(camera, minutes)
    with _indexed(made, model, camera, shown) as (directory, cost):
        _costs(f"index_day_{label}", cost, startup, minutes, peers)
        _vectors(f"day_{label}", directory, minutes)
        truth = made.truth(camera, shown)
        _findable(label, directory, truth)
        if model.name == NANO:
            _spoken(label, directory, camera, truth)


@contextmanager
def _indexed(
    made: day_stream.Day, model: Model, camera: str, names: list[str]
) -> Iterator[tuple[DataDirectory, Cost]]:
    """An installation that has indexed these minutes, and what that cost."""
    with house(model.settings(f"interval_s = {INTERVAL_S}")) as one:
        directory = open_directory(one.root / "data")
        try:
            day_stream.install(made, directory, camera, names)
            cost = one.run("index")
            yield directory, cost
        finally:
            directory.close()


def _startup(model: Model) -> Cost:
    """Of `index` with nothing to index."""
    with house(model.settings(f"interval_s = {INTERVAL_S}")) as empty:
        empty.run("index")  # makes the verdict on precision
        cost = empty.run("index")
    report(f"index_startup_{model.label}", cost.cpu_s, "CPU-s", "wall s", cost.wall_s)
    return cost


def _costs(name: str, cost: Cost, startup: Cost, minutes: int, peers: Sequence[Peer]) -> None:
    """Video-hours per CPU-hour, with and without start-up, against each peer's."""
    warm_s = max(cost.cpu_s - startup.cpu_s, 0.01)
    for peer in peers:
        peers_rate = 60 / peer.cpu_s_a_minute
        for what, spent_s in (("", cost.cpu_s), ("_without_startup", warm_s)):
            rate = minutes * 60 / spent_s
            report(f"{name}{what}_vs_{peer.name}", rate, "video-h per CPU-h",
                   f"{peer.name}, wanted {peer.wanted:g} x,", peers_rate)  # fmt: skip


def _vectors(name: str, directory: DataDirectory, minutes: int) -> None:
    """What a whole day of it would leave."""
    found = rows(directory)
    days = minutes / MINUTES_OF_DAY
    files = part_files(directory, "frames") + look_files(directory)
    size = sum(file.stat().st_size for file in files)
    report(f"vectors_a_{name}", len(found) / days, "a camera-day", "keyframes", 43_200)
    report(f"bytes_a_{name}", size / days, "a camera-day", "of its looks",
           sum(file.stat().st_size for file in look_files(directory)) / days)  # fmt: skip
    said = ", ".join(f"{key} {count}" for key, count in all_reasons(directory).most_common())
    print(f"  decided: {said or 'nothing was stored'}")  # noqa: T201


def _findable(label: str, directory: DataDirectory, truth: list[Event]) -> None:
    """The share of events of which a row tells, and why the others were missed."""
    found, slack = rows(directory), slack_us(INTERVAL_S)
    lost = missed(truth, found, slack)
    small = [event for event in truth if event.small]
    gone = [event for event in lost if event.small]
    for what, out_of, missing in (("", truth, lost), ("_small", small, gone)):
        share = 1 - len(missing) / max(1, len(out_of))
        report(f"findable{what}_{label}", share, f"share of {len(out_of)} events", "wanted",
               FINDABLE)  # fmt: skip
    pixels = SIZE[0] * SIZE[1]
    report(f"region_share_{label}", region_share(found, pixels), "of the picture, median",
           "a whole frame", 1)  # fmt: skip
    for event in lost:
        why = dict(reasons(directory, event, slack))
        lasts_s = (event.end_us - event.start_us) / US
        what = f"{event.minute}: {event.en}, {event.height} px, {lasts_s:.0f} s"
        print(f"  missed in {what}: {why or 'no decisions stored'}")  # noqa: T201


def _spoken(label: str, directory: DataDirectory, camera: str, truth: list[Event]) -> None:
    """The share of events whose description has a right moment in the top 10."""
    for lang in ("en", "zh"):
        asked = ask(directory, {camera: truth}, lang, slack_us=slack_us(INTERVAL_S))
        hits = {one.text for one in asked if one.found}
        share = np.mean([(event.en if lang == "en" else event.zh) in hits for event in truth])
        report(f"found_in_top_10_{label}_{lang}", float(share), f"share of {len(truth)} events",
               "mean recall@10", float(np.mean([one.recall for one in asked])))  # fmt: skip


if __name__ == "__main__":
    main()
