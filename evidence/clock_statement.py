"""What a bundle says of clocks: the corrections that meet its footage, and the times they give."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from storage.clock import US, rfc3339
from storage.clocks import Correction, in_force
from storage.vocabulary import Segment


def correction_document(one: Correction) -> dict[str, Any]:
    """A correction as it was added; later ones may outrank it."""
    return {
        "start": rfc3339(one.start_us),
        "end": rfc3339(one.end_us),
        "duration_s": (one.end_us - one.start_us) / US,
        "offset_s": one.offset_us / US,
        "reason": one.reason,
        "actor": one.actor,
        "added": rfc3339(one.created_us),
        "segment": one.segment_id,
    }


def corrected_times(segment: Segment, added: Sequence[Correction]) -> list[dict[str, Any]]:
    """The parts of a segment that are shown at another time than they were recorded."""
    edges = {segment.start_us, segment.end_us}
    for one in added:
        edges |= {t for t in (one.start_us, one.end_us) if segment.start_us < t < segment.end_us}
    pieces: list[list[int]] = []  # start, end, offset
    marks = sorted(edges)
    for start_us, end_us in pairwise(marks):
        counts = in_force(added, start_us, segment.id)
        if counts is None or counts.offset_us == 0:
            continue
        # Not joined with its neighbour: each part lies within the one correction it follows from.
        pieces.append([start_us, end_us, counts.offset_us])
    return [
        {
            "start": rfc3339(start_us),
            "end": rfc3339(end_us),
            "offset_s": offset_us / US,
            "corrected_start": rfc3339(start_us + offset_us),
            "corrected_end": rfc3339(end_us + offset_us),
        }
        for start_us, end_us, offset_us in pieces
    ]
