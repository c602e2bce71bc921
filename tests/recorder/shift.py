"""A station worked by hand: a camera's life, event by event, on a clock that the test moves.

What it stands on is real: segmenter, disk thread, scribe, files and ledger.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
from av import Packet

from recorder import bookkeeping
from recorder.clocksetting import clock_was_set
from recorder.disk import Disks
from recorder.failing import RecordingFailed
from recorder.onset import Arrival
from recorder.packets import Feed
from recorder.scribe import Entry, Scribe
from recorder.segmenter import Segmenter
from recorder.sources import source_of
from recorder.station import Station
from recorder.wallclock import SET_US
from storage.clock import US
from storage.retention import delete
from storage.segments import segments
from storage.vocabulary import Actor, GapCause
from storage.volumes import IDENTITY
from tests.recorder.stand import MovedClock
from tests.storage.media import House

BEGIN_TICKS, PICTURE_TICKS = 450_000, 9_000
AGAIN_US = US  # between two connections
WIDE = 1 << 60


class LateScribe(Scribe):
    """A scribe that a busy ledger keeps waiting. What waits is lost with its process."""

    def __init__(self, house: House) -> None:
        self.waiting: list[Entry] = []
        self.is_busy = False
        super().__init__(house.directory)

    def enter(self, entry: Entry) -> None:
        if self.is_busy:
            self.waiting.append(entry)
        else:
            super().enter(entry)

    def drain(self, seconds: float) -> bool:
        self.set_free()
        return super().drain(seconds)

    def set_free(self) -> None:
        """The ledger answers again."""
        self.is_busy = False
        waiting, self.waiting = self.waiting, []
        for entry in waiting:
            super().enter(entry)


class HandStation(Station):
    """One process's time with the camera."""

    feed: Feed | None = None

    def begin(self) -> None:
        """As `run` begins."""
        self._take_on()

    def connect(self, clip: Path) -> bool:
        """As `_record` begins; False when it cannot be."""
        recorder = self.directory.settings.recorder
        try:
            self._settle()
            self.disks.choose(self.progress.reserve_bytes(recorder.segment_s))
        except RecordingFailed as failure:
            self._failed(failure.cause, failure.detail)
            return False
        if self.progress.left_behind:
            self.scribe.drain(10)
            self._adopt()
        if abs(self.steady.slip_us) > SET_US:
            begins_us = self.directory.clock.now_us()
            clock_was_set(self.camera, self.progress, self.scribe, self.steady, begins_us)
        self.feed = Feed(source_of(clip.as_uri(), None, recorder), recorder, self.steady)
        self._segmenter = Segmenter(
            self.directory, self.camera, self.feed, self.progress, self.scribe, self.disks,
            self.chronicle,
        )  # fmt: skip
        return True

    def take(self, packet: Packet[Any]) -> None:
        """A picture arrives."""
        assert self._segmenter is not None
        try:
            self._segmenter.feed(Arrival(packet, self.steady.now_us(), None))
        except RecordingFailed as failure:
            self.hang_up()
            self._failed(failure.cause, failure.detail)

    def lose_source(self) -> None:
        """The far side is gone."""
        pictures = self.progress.pictures
        self.hang_up()
        self._failed(GapCause.STALLED if pictures else GapCause.CONNECT_FAILED, "a test")

    def hang_up(self) -> None:
        """As `_record` ends."""
        self._finish()
        self.let_go()

    def let_go(self) -> None:
        """Of the source."""
        if self.feed is not None:
            self.feed.close()
            self.feed = None

    def end(self) -> None:
        """As `run` ends."""
        self.stop.set()
        self.hang_up()
        self._drain()


class Shift:
    """The camera's whole life."""

    def __init__(self, house: House, clips: tuple[Path, Path], rate_ppm: int) -> None:
        """`rate_ppm`: the camera's stamps run so much too slow."""
        self.house = house
        self.clips = clips
        self.camera = house.camera()
        self._picture_us = US // 10 + rate_ppm // 10
        self.clock = MovedClock(1_000 * US, house.clock.now - 1_000 * US)
        house.directory.clock = self.clock
        self.scribe = LateScribe(house)
        self.disks = Disks(house.directory)
        self._disk = self.disks.all[0]
        self._floor_bytes = self._disk.floor_bytes
        self._identity = self._disk.volume.root / IDENTITY
        self._word = self._identity.read_bytes()
        self._ticks = BEGIN_TICKS
        self._again_us = 0
        self._supply = _packets(self.clips[0])
        self._restarts = 0
        self.station = self._taken_on()

    def settle(self) -> None:
        """What was handed over is on disk, and in the ledger unless that is busy."""
        assert self.disks.drain(10)
        if not self.scribe.is_busy:
            assert self.scribe.drain(10)

    def pictures(self, count: int) -> None:
        for _ in range(count):
            self.clock.monotonic += self._picture_us
            self._ticks += PICTURE_TICKS
            if self.station.feed is None and not self._connected():
                continue
            packet = next(self._supply)
            packet.pts = packet.dts = self._ticks
            self.station.take(packet)

    def silence(self, seconds: float) -> None:
        patience_s = self.house.directory.settings.recorder.read_timeout_s
        if seconds > patience_s and self.station.feed is not None:
            self.source_lost(patience_s, seconds - patience_s)
            return
        self.passes(seconds)
        self._ticks += int(seconds * 90_000)

    def jump(self, seconds: float) -> None:
        self._ticks = max(0, self._ticks + int(seconds * 90_000))

    def set_clock(self, seconds: float) -> None:
        self.clock.offset += int(seconds * US)

    def source_lost(self, after_s: float, seconds: float) -> None:
        self.passes(after_s)
        if self.station.feed is not None:
            self.station.lose_source()
        self._ticks = BEGIN_TICKS
        self.passes(seconds)

    def process_lost(self, seconds: float, torn_bytes: int) -> None:
        """Nothing is said or closed any more; what the system had taken stays."""
        self.settle()
        self.scribe.waiting.clear()
        self.scribe.is_busy = False
        tape = self.station.progress.tape
        if tape is not None and tape._file is not None:
            path = tape._file.open_path
            tape._file.abandon()
            tape._file = None
            if path.exists():
                with path.open("ab") as torn:
                    torn.write(b"\0\1\0\0mdat" + bytes(torn_bytes) if torn_bytes else b"")
        self.station.let_go()
        self.passes(seconds)
        self._restarts += 1
        self._ticks = BEGIN_TICKS
        self.station = self._taken_on()

    def stopped(self, seconds: float) -> None:
        """A signal, and another start."""
        self.rest()
        self.passes(seconds)
        self._restarts = 0
        self._ticks = BEGIN_TICKS
        self.station = self._taken_on()

    def rest(self) -> None:
        """As a signal ends it: the station, then the supervisor's word on what is expected."""
        now_us = self.clock.now_us()
        self.station.end()
        with self.house.ledger.write() as tx:
            bookkeeping.paused(tx, self.camera.id, self.station.progress.taken_on_us, now_us)

    def word(self, what: str) -> None:
        """By its name, see `test_any_stream`."""
        match what:
            case "another picture":
                self.clips = self.clips[::-1]
                self._supply = _packets(self.clips[0])
            case "volume away":  # nobody looks before the next segment begins there
                self._identity.unlink(missing_ok=True)
            case "volume back":
                self._identity.write_bytes(self._word)
                self._disk.has_refused()  # it is looked at anew
            case "volume full":
                self._disk.floor_bytes = WIDE
            case "volume free":
                self._disk.floor_bytes = self._floor_bytes
            case "ledger busy":
                self.scribe.is_busy = True
            case "ledger free":
                self.scribe.set_free()
            case "all expires":
                with self.house.ledger.read() as tx:
                    kept = [row.id for row in segments(tx)]
                delete(self.house.directory, kept, "a test", Actor("a test"))

    def all_is_well(self) -> None:
        """Disk and ledger are as they should be; then a minute of pictures, and the end."""
        for what in ("volume back", "volume free", "ledger free"):
            self.word(what)
        self.stopped(1)
        self.pictures(30)
        self.rest()
        self.settle()

    def passes(self, seconds: float) -> None:
        """Time."""
        self.clock.monotonic += int(seconds * US)

    def _connected(self) -> bool:
        if self.clock.monotonic < self._again_us:
            return False
        self._again_us = self.clock.monotonic + AGAIN_US
        return self.station.connect(self.clips[0])

    def _taken_on(self) -> HandStation:
        station = HandStation(
            self.house.directory, self.camera, self.scribe, self.disks, restarts=self._restarts
        )
        station.begin()
        return station


def _packets(clip: Path) -> Iterator[Packet[Any]]:
    """Of a clip, for ever."""
    while True:
        with av.open(str(clip)) as container:
            for packet in container.demux(video=0):
                if packet.size and packet.dts is not None:
                    yield packet
