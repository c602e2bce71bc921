"""The recorder itself in a simulated world: its segmenter, its files, its ledger."""

from __future__ import annotations

from collections.abc import Iterator
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
from storage.vocabulary import Segment
from tests.recorder.stand import Stand
from tests.sim.world import Sent, World
from tests.storage.media import House


class Studio(Stand):
    """One camera of an archive, recorded as the world brings it."""

    def __init__(self, house: House, clip: Path, world: World) -> None:
        self.house, self.clip, self.world = house, clip, world
        self.camera = house.camera()
        world.machine.at_us = 0
        house.directory.clock = world.machine
        self.scribe = Scribe(house.directory)
        self.progress = Progress(taken_on_us=world.machine.now_us())
        settings = house.directory.settings.recorder
        self.feed = Feed(
            source_of(clip.as_uri(), None, settings), settings, SteadyClock(world.machine)
        )
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
        self.taken: dict[int, Sent] = {}  # by PTS as it came

    def record(self, hours: float) -> Studio:
        """Until the end, and close."""
        supply = self._supply()
        for sent in self.world.pictures(hours):
            packet = next(supply)
            base = packet.time_base or Fraction(1, 90_000)
            packet.pts = packet.dts = round(Fraction(sent.pts, 90_000) / base)
            self.taken[packet.pts] = sent
            self.world.machine.at_us = max(self.world.machine.at_us, sent.arrival_us)
            arrival_us = self.feed.steady.now_us()
            self.segmenter.feed(Arrival(packet, arrival_us, sent.camera_us))
        self.end()
        return self

    def by_number(self) -> list[Segment]:
        """Rows in the order they were recorded in, whatever their times."""
        return sorted(self.rows(), key=lambda row: row.first_pts)

    def errors(self) -> Iterator[tuple[int, Segment]]:
        """(error of a segment's start, row), against the machine's clock as it stood then."""
        for row in self.by_number():
            sent = self.taken[row.first_pts]
            utc_us = self.world.machine.utc_us(sent.true_us, sent.arrival_us)
            yield row.start_us - utc_us, row

    def _supply(self) -> Iterator[Packet[Any]]:
        """Pictures of a clip of keyframes, for ever."""
        while True:
            with av.open(str(self.clip)) as container:
                for packet in container.demux(video=0):
                    if packet.size and packet.dts is not None:
                        yield packet
