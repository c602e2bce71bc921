"""More like this: the picture of the archive that was meant, and a look that is audited."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from search.asking import Like, like
from search.likeness import parts_like
from storage import audit, cases
from storage.clock import US, rfc3339
from storage.directory import DataDirectory
from storage.errors import Conflict, DataLoss, Denied, Invalid, NotFound
from storage.settings import SearchSettings
from storage.vocabulary import Actor, Segment
from tests.web.footage import START_US, keep, number_of, register, write_clip

INES = Actor("ines")


@pytest.fixture
def footage_of_gate(directory: DataDirectory, tmp_path: Path) -> Segment:
    """Two seconds of pictures that say their number, 25 a second."""
    clip = write_clip(tmp_path / "clip.mp4", first=100)
    return keep(directory, register(directory, "gate"), clip, START_US)


def looks(directory: DataDirectory) -> list[audit.AuditRow]:
    with directory.ledger.read() as tx:
        return list(audit.rows(tx, action="view"))


def test_the_picture_is_the_one_on_screen_at_that_instant(
    directory: DataDirectory, footage_of_gate: Segment
) -> None:
    at = rfc3339(START_US + round(1.3 * US))
    first, box = parts_like(
        directory, [like(f"gate@{at}^3"), like(f"gate@{at}#20,30,40,50")], INES
    )  # fmt: skip
    assert first.image is not None
    assert number_of(first.image) == 132
    assert (first.weight, first.box) == (3, None)
    assert box.image is not None
    assert box.image.shape == (50, 40, 3)
    assert (box.image == first.image[30:80, 20:60]).all()


def test_every_look_is_audited_with_its_case(
    directory: DataDirectory, footage_of_gate: Segment
) -> None:
    with directory.ledger.write() as tx:
        cases.open_case(tx, "A-1", "theft", "ines", 1)
    asked = Like("gate", START_US + US, None, 1.0)
    parts_like(directory, [asked, asked], Actor("ines", "A-1", "the van"))
    rows = looks(directory)
    assert [(row.actor, row.subject, row.case_id, row.reason) for row in rows] == [
        ("ines", "gate", "A-1", "the van")
    ] * 2
    assert json.loads(rows[0].detail)["from"] == rfc3339(START_US + US)


def test_a_moment_without_footage_is_not_found_and_nobody_looked(
    directory: DataDirectory, footage_of_gate: Segment
) -> None:
    after = Like("gate", footage_of_gate.end_us, None, 1.0)
    outside = Like("gate", START_US, (300, 0, 21, 10), 1.0)
    for asked, error in (
        (after, NotFound), (Like("nowhere", START_US, None, 1.0), NotFound), (outside, Invalid)
    ):  # fmt: skip
        with pytest.raises(error):
            parts_like(directory, [asked], INES)
    assert looks(directory) == []


def test_footage_that_cannot_be_decoded_is_data_loss(
    directory: DataDirectory, footage_of_gate: Segment
) -> None:
    file = directory.archive.recording_volume().file(footage_of_gate.path)
    file.chmod(0o644)
    file.write_bytes(file.read_bytes()[:600])
    with pytest.raises(DataLoss, match=footage_of_gate.id):
        parts_like(directory, [Like("gate", START_US + US, None, 1.0)], INES)


def test_a_look_needs_the_case_a_search_needs(
    directory: DataDirectory, footage_of_gate: Segment
) -> None:
    asked = [Like("gate", START_US, None, 1.0)]
    with pytest.raises(NotFound):
        parts_like(directory, asked, Actor("ines", "A-9", "r"))
    with directory.ledger.write() as tx:
        cases.open_case(tx, "A-1", "theft", "ines", 1)
        cases.close_case(tx, "A-1", 2)
    with pytest.raises(Conflict):
        parts_like(directory, asked, Actor("ines", "A-1", "r"))
    directory.settings = directory.settings.model_copy(
        update={"search": SearchSettings(require_case=True)}
    )
    with pytest.raises(Denied):
        parts_like(directory, asked, INES)
    assert looks(directory) == []
