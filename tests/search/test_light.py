"""Real clips of one street by day and by night: the light filter tells them apart, rows and all."""

from __future__ import annotations

from pathlib import Path

from indexer.indexing import run
from indexer.succession import ensure_generation
from search.engine import Engine
from search.query import Part, Query
from storage import generations, lake
from storage.directory import DataDirectory
from storage.lake import DARK, INFRARED
from tests.search.archive import ASKER
from tests.web.footage import START_US, keep, register

CLIPS = {"day": "tfl_jamcam_625_201709141107.mp4", "night": "tfl_jamcam_625_201709042131.mp4"}


def test_a_real_street_is_found_by_the_light_it_was_taken_in(
    directory: DataDirectory, footage: Path
) -> None:
    cameras = {}
    for light, clip in CLIPS.items():
        cameras[light] = register(directory, light)
        keep(directory, cameras[light], footage / clip, START_US)
    lane = ensure_generation(directory, None)
    run(directory, lane)
    generation = lane.generation
    with directory.ledger.read() as tx:
        parts = generations.live_parts(tx, generation.id)
    kinds = set()
    for part in parts:
        table, _ = lake.read_part(directory.lake, part, generation)
        for row in table.to_pylist():
            night = row["camera_id"] == cameras["night"].id
            assert bool(row["quality"] & (DARK | INFRARED)) == night
            kinds.add((night, row["kind"]))
    assert len(kinds) == 4, "regions and whole pictures of both"
    engine = Engine(directory)
    for words in ("a car on the road", "道路上的汽车"):
        for light in CLIPS:
            answer = engine.search(Query(parts=(Part(text=words),), light=light), ASKER)
            assert {moment.camera.slug for moment in answer.moments} == {light}
