"""How far a camera is: what came, what was handed over, and what of it lies on a disk."""

from __future__ import annotations

from dataclasses import dataclass, field

from recorder.failing import RecordingFailed
from recorder.tape import Tape
from storage.clock import US

# What is taken from the disk for a segment before it begins: the last one's bytes and some more;
# for the first of a camera, as much as a modest one needs.
RESERVE_MORE = 1.25
FIRST_BYTES_PER_S = 125_000
LEAST_RESERVE_BYTES = 256 << 10
MOST_RESERVE_BYTES = 2 << 30


@dataclass(frozen=True, slots=True)
class Kept:
    """The newest segment that is on disk: its hash, its end."""

    chain: str | None
    to_us: int | None


@dataclass(slots=True)
class Progress:
    """What arrived and what was kept of a camera, over all its connections."""

    taken_on_us: int
    chain: str | None = None  # hash of the newest segment, maybe still on its way to the disk
    recorded_to_us: int | None = None  # end of that one
    kept: Kept = field(default_factory=lambda: Kept(None, None))  # set by disk threads
    failure: RecordingFailed | None = None  # of a segment that did not get to the disk; by them
    tape: Tape | None = None  # the newest
    left_behind: bool = False  # an unfinished file waits for its disk; set by disk threads
    bytes_per_s: float = FIRST_BYTES_PER_S  # of the newest segment
    bytes: int = 0
    pictures: int = 0
    last_packet_us: int | None = None
    gop_us: int | None = None
    clock_offset_us: int | None = None  # camera's clock minus arrival

    def settle(self) -> RecordingFailed | None:
        """Why footage handed over did not get to the disk, once; then we stand where it ends."""
        failure, self.failure = self.failure, None
        if failure is not None:
            self.chain, self.recorded_to_us = self.kept.chain, self.kept.to_us
            self.tape = None
        return failure

    def reserve_bytes(self, segment_s: float) -> int:
        """What the next segment will need, as far as the one before tells."""
        wanted = int(self.bytes_per_s * segment_s * RESERVE_MORE)
        return min(max(wanted, LEAST_RESERVE_BYTES), MOST_RESERVE_BYTES)

    @property
    def backlog_us(self) -> int:
        """How long footage that was handed over has waited for the disk."""
        return 0 if self.tape is None else int(self.tape.backlog_s * US)

    def forget_times(self) -> None:
        """What lies on disk was dated by a clock that was set since."""
        self.kept = Kept(self.kept.chain, None)

    def start_after(self, chain: str | None, to_us: int | None) -> None:
        """What is on disk from before."""
        self.chain, self.recorded_to_us, self.kept = chain, to_us, Kept(chain, to_us)
