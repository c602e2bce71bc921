"""What a search says: moments, whether they convince, what was not looked at; and its JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from search.coverage import Coverage
from storage.clock import rfc3339
from storage.vocabulary import Camera, Generation, Segment


@dataclass(frozen=True, slots=True)
class Best:
    """The best picture of a moment; `frame_id` names its row in every generation."""

    frame_id: int
    at_us: int
    segment: Segment
    kind: str
    box: tuple[int, int, int, int] | None


@dataclass(frozen=True, slots=True)
class Moment:
    """Hits of one camera close in time; `then`: what followed, for 'A, then B'."""

    camera: Camera
    start_us: int
    end_us: int
    score: float
    hits: int
    best: Best
    then: Best | None = None

    def document(self) -> dict[str, Any]:
        """As interface.md's moment."""
        made = {
            "camera": self.camera.slug, "camera_name": self.camera.name, "site": self.camera.site,
            "start": rfc3339(self.start_us), "end": rfc3339(self.end_us),
            "score": round(self.score, 4), "hits": self.hits, "best": _best(self.best),
        }  # fmt: skip
        if self.then is None:
            return made
        return {**made, "then": {"camera": self.then.segment.camera, **_best(self.then)}}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a search says. `more`: camera → moments held back so that none fills the page.

    `warnings` say what is wrong with this answer, `notes` what to expect of any.
    """

    query: dict[str, Any]
    moments: list[Moment]
    confident: bool
    coverage: Coverage
    generation: Generation | None
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    more: dict[str, int] = field(default_factory=dict)
    plan: list[str] = field(default_factory=list)

    def document(self) -> dict[str, Any]:
        """The JSON of interface.md."""
        return {
            "query": self.query,
            "coverage": self.coverage.document(),
            "confident": self.confident,
            "moments": [moment.document() for moment in self.moments],
            "more": self.more,
            "warnings": self.warnings,
            "notes": self.notes,
        }


def _best(best: Best) -> dict[str, Any]:
    return {
        "time": rfc3339(best.at_us), "segment": best.segment.id, "kind": best.kind,
        "frame": str(best.frame_id),  # 63 bits: more than JavaScript's numbers hold
        "box": None if best.box is None else list(best.box),
    }  # fmt: skip
