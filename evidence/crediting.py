"""Puts content credentials into the playable copies of a bundle: the export's word, for anybody."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version

from evidence.content_credentials import put_in
from evidence.manifest import RECIPE, Heading
from evidence.playable import Playable
from storage.clock import US, rfc3339, to_datetime
from storage.durable import sha256_file

# The library's time grows with the square of a file's fragments, of which there is one in two
# seconds: 3 s for two hours, 43 s for nine, and days would take hours.
LONGEST_US = 2 * 3600 * US
MOST_NAMED = 1_000  # originals in the file itself; the bundle's manifest names them all


def credited(camera: str, made: Sequence[Playable], heading: Heading) -> list[Playable]:
    """Each with its credentials in it, measured anew; as they are where the settings want none,
    and where they are longer than LONGEST_US.

    DataLoss when a file does not verify afterwards, OSError when the disk refuses.
    """
    by = heading.credentials
    if by is None:
        return list(made)
    return [
        one if one.span.duration_us > LONGEST_US else _credited(camera, one, heading)
        for one in made
    ]  # fmt: skip


def _credited(camera: str, one: Playable, heading: Heading) -> Playable:
    assert heading.credentials is not None
    name = put_in(
        one.path, heading.credentials, title=one.path.name, made=to_datetime(heading.made_us),
        version=version("hindsight-archive"),
        recipe={
            "export": heading.export, "camera": camera, "recipe": RECIPE,
            "start": rfc3339(one.span.start_us), "end": rfc3339(one.span.end_us),
            "originals_in_all": len(one.originals),
            "originals": [
                {"segment": each.id, "sha256": each.sha256} for each in one.originals[:MOST_NAMED]
            ],
        },
    )  # fmt: skip
    return replace(
        one, size_bytes=one.path.stat().st_size, sha256=sha256_file(one.path), credentials=name
    )
