"""Findings: what `check`, `rebuild` and `scrub` say when an invariant does not hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from storage.clock import rfc3339
from storage.i18n import N_, tr
from storage.vocabulary import Segment

# Number → the words of design, § 3: those that can be seen to break.
INVARIANTS: dict[int, str] = {
    1: N_("Row ⇒ file"),
    3: N_("One remover"),
    4: N_("A hold outranks everything"),
    5: N_("Kill at any instant"),
    6: N_("No silent loss"),
    7: N_("Time is honest"),
    8: N_("The lake is truth, FAISS is cache"),
    10: N_("Looked at ⇒ logged"),
    12: N_("A volume is the volume"),
    13: N_("The archive explains itself"),
}

Progress = Callable[[int, int], None]  # (done, total), in whatever is being walked


def no_progress(done: int, total: int) -> None:
    """Nobody watches."""


class Level(StrEnum):
    """How deep `check` looks: is the file there, is it as long, are its bytes the same."""

    PRESENCE = "presence"
    SIZE = "size"
    HASH = "hash"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that does not hold: loss, or a notice of something odd that cost no footage."""

    invariant: int
    message: str  # English, with {named} fields; `what` is for people
    fields: Mapping[str, object] = field(default_factory=dict)
    loss: bool = True
    segment: str | None = None  # id
    camera: str | None = None  # slug
    volume: str | None = None
    path: str | None = None  # relative to the volume, or to the lake
    start_us: int | None = None
    end_us: int | None = None

    def what(self, lang: str | None = None) -> str:
        """The finding as a sentence, in `lang` or the current language."""
        return tr(self.message, lang=lang, **self.fields)

    def document(self) -> dict[str, object]:
        """The finding as the interface's JSON; what does not apply is left out."""
        facts: dict[str, object | None] = {
            "invariant": self.invariant,
            "rule": tr(INVARIANTS[self.invariant]),
            "what": self.what(),
            "loss": self.loss,
            "segment": self.segment,
            "camera": self.camera,
            "volume": self.volume,
            "path": self.path,
            "start": None if self.start_us is None else rfc3339(self.start_us),
            "end": None if self.end_us is None else rfc3339(self.end_us),
        }
        return {key: value for key, value in facts.items() if value is not None}


def of_segment(
    segment: Segment, invariant: int, message: str, *, loss: bool = True, **fields: object
) -> Finding:
    """A finding about one segment; its message may use {segment} and {camera}."""
    return Finding(
        invariant, message, {"segment": segment.id, "camera": segment.camera, **fields}, loss,
        segment=segment.id, camera=segment.camera, volume=segment.volume, path=segment.path,
    )  # fmt: skip
