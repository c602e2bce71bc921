"""A segmenter on a stand: packets of real clips fed by hand, on clocks that the test moves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av import Packet

from recorder.chronicle import Chronicle
from recorder.disk import Disks
from recorder.onset import Arrival
from recorder.packets import Feed
from recorder.progress import Progress
from recorder.scribe import Scribe
from recorder.segmenter import Segmenter
from recorder.sources import source_of
from recorder.wallclock import SteadyClock
from storage import segments, timeline
from storage.clock import US
from storage.fragments import scan
from storage.vocabulary import Camera, Gap, Segment, Span
from tests.storage.media import House


@dataclass
class MovedClock:
    """A wall clock that can be set while the monotonic one goes on."""

    monotonic: int
    offset: int

    def now_us(self) -> int:
        return self.monotonic + self.offset

    def monotonic_us(self) -> int:
        return self.monotonic


class Stand:
    """One camera of an archive, recorded packet by packet."""

    def __init__(self, house: House, clip: Path) -> None:
        self.house = house
        self.camera: Camera = house.camera()
        self.clock = MovedClock(1_000 * US, house.clock.now - 1_000 * US)
        house.directory.clock = self.clock
        self.scribe = Scribe(house.directory)
        self.began_us = self.clock.now_us()
        self.progress = Progress(taken_on_us=self.began_us)
        self.feed = Feed(
            source_of(clip.as_uri(), None, house.directory.settings.recorder),
            house.directory.settings.recorder, SteadyClock(self.clock),
        )  # fmt: skip
        self.disks = Disks(house.directory)
        self.segmenter = Segmenter(
            house.directory,
            self.camera,
            self.feed,
            self.progress,
            self.scribe,
            self.disks,
            Chronicle(self.camera, self.scribe, house.directory.clock),
        )
        self.sent = 0.0  # seconds of the clip so far

    def packets(self, clip: Path) -> Iterator[Packet[Any]]:
        """Of a clip with the same streams, as it was encoded."""
        with av.open(str(clip)) as container:
            for packet in container.demux():
                if packet.size and packet.dts is not None:
                    yield packet

    def play(self, packets: Iterator[Packet[Any]], delay_us: Callable[[Packet[Any]], int]) -> None:
        """Let packets arrive when they are due, `delay_us` later."""
        timed = []
        for packet in packets:
            base = packet.time_base or Fraction(1, 90_000)
            assert packet.dts is not None
            timed.append((int(packet.dts * base * US) + delay_us(packet), packet))
        start_us = self.clock.monotonic - timed[0][0]
        for at_us, packet in sorted(timed, key=lambda one: one[0]):
            self.clock.monotonic = max(self.clock.monotonic, start_us + at_us)
            self.take(packet)

    def stand_still(self, packets: Iterator[Packet[Any]], ticks: int) -> None:
        """Ten packets a second, all of the same time."""
        for packet in packets:
            packet.pts = packet.dts = ticks
            self.clock.monotonic += US // 10
            self.take(packet)

    def take(self, packet: Packet[Any], camera_us: int | None = None) -> None:
        """One packet, now."""
        self.segmenter.feed(Arrival(packet, self.feed.steady.now_us(), camera_us))

    def end(self) -> None:
        """Close what is open and let go."""
        self.segmenter.finish()
        self.feed.close()
        self.settle()

    def settle(self) -> None:
        """All that was handed over is on disk and in the ledger."""
        assert self.disks.drain(10)
        assert self.scribe.drain(10)

    def rows(self) -> list[Segment]:
        self.settle()
        with self.house.ledger.read() as tx:
            return segments.segments(tx, camera_ids=[self.camera.id])

    def gaps(self) -> list[Gap]:
        self.settle()
        with self.house.ledger.read() as tx:
            return timeline.gaps(tx, camera_ids=[self.camera.id])

    def unexplained(self) -> list[Span]:
        """Up to the end of the newest footage, as far as it is past."""
        ends_us = max(row.end_us for row in self.rows())
        asked = Span(0, min(ends_us, self.house.directory.clock.now_us()))
        with self.house.ledger.read() as tx:
            return timeline.unexplained(tx, self.camera.id, asked)

    def fragments(self) -> int:
        """Whole ones in the segment that is open."""
        self.settle()
        volume = self.house.directory.archive.volume("main").root
        [path] = volume.rglob("*.open")
        return len(scan(path).fragments)


def shifted(packets: Iterator[Packet[Any]], seconds: float) -> Iterator[Packet[Any]]:
    """The same packets, stamped later (or earlier)."""
    for packet in packets:
        ticks = round(seconds / (packet.time_base or Fraction(1, 90_000)))
        assert packet.dts is not None
        assert packet.pts is not None
        packet.dts, packet.pts = packet.dts + ticks, packet.pts + ticks
        yield packet


def decoded_sizes(path: Path) -> set[tuple[int, int]]:
    """Every size the pictures of a file have."""
    with closing(av.open(str(path))) as container:
        return {(frame.width, frame.height) for frame in container.decode(video=0)}
