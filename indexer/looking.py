"""Looking through a segment: which pictures are due, what is new in them, what gets a vector."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import av
import numpy as np

from indexer.bustle import stretches
from indexer.due import due
from indexer.novelty import Gate, Verdict, working_size
from indexer.packets import PacketDecoder, PacketTable, packet_table
from indexer.regions import Box
from indexer.sampling import nothing_decoded, samples
from indexer.shown import Rgb, Shown
from indexer.video import check_size
from storage.clock import US
from storage.looks import Decision, Look, Reason
from storage.media import Media
from storage.settings import IndexerSettings
from storage.vocabulary import Segment
from storage.zones import Zone

PRIMED = 12  # pictures from which a camera that is seen for the first time is learnt
JOINS_US = 2 * US  # a segment that begins so soon after the last one goes on with it
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Crop:
    """What gets one vector: a whole picture (`box` None) or a region of it, at full resolution."""

    rgb: Rgb
    box: Box | None
    novelty: float
    deep: bool = False

    @property
    def kind(self) -> str:
        """As the lake calls it."""
        return "frame" if self.box is None else "region"


@dataclass(frozen=True, slots=True, eq=False)
class Looked:
    """One picture that was due: the decision, and what of it gets a vector (nothing: skipped)."""

    look: Look
    crops: tuple[Crop, ...]


def look_through(
    media: Media,
    segment: Segment,
    settings: IndexerSettings,
    gate: Gate,
    zones: Sequence[Zone] = (),
) -> Iterator[Looked]:
    """Decide about every picture of a segment that is due, ascending in time.

    `gate` is the camera's, and learns; neither it nor a vector sees what `zones` hide.
    DataLoss or Invalid when the file is missing, cut short, not video, or when none of the
    pictures that were wanted can be decoded. Damage inside costs the pictures it hits, not the
    rest.
    """
    check_size(media, segment)
    gate.begin(segment.start_us)
    table = packet_table(media)
    if table is None or not table.key.any():
        return _by_reading(media, segment, settings, gate, zones)
    return _by_table(media, segment, settings, gate, table, zones)


def _by_reading(
    media: Media, segment: Segment, settings: IndexerSettings, gate: Gate, zones: Sequence[Zone]
) -> Iterator[Looked]:
    """Where the tables of a file do not tell enough, every picture that is due is decoded."""
    gate.tail = None
    lost: list[tuple[int, int]] = []

    def told(at_us: int, pts: int) -> None:
        lost.append((at_us, pts))

    for shown in samples(media, segment, settings.interval_s, told, zones):
        for at_us, pts in lost:
            yield _skipped(segment, at_us, pts, Reason.DAMAGED, None)
        lost.clear()
        small = working_size(*shown.size)
        if gate.wants_priming(shown.ts_us, small[::-1]):
            every_s = segment.duration_us / US / PRIMED
            again = samples(media, segment, min(600.0, max(0.1, every_s)), zones=zones)
            gate.prime([one.small(*small) for one in islice(again, 2 * PRIMED)])
        yield _looked(segment, shown, judged(gate, shown, settings, None), 0.0)
    for at_us, pts in lost:
        yield _skipped(segment, at_us, pts, Reason.DAMAGED, None)


def _by_table(
    media: Media, segment: Segment, settings: IndexerSettings, gate: Gate, table: PacketTable,
    zones: Sequence[Zone],
) -> Iterator[Looked]:  # fmt: skip
    times_us = table.time_us()
    wanted = due(times_us, table.key, round(settings.interval_s * US))
    sizes, small = table.size.astype(np.int64), ~table.key
    pixels, key_bytes = table.width * table.height, float(sizes[~small].mean())
    joins = gate.tail is not None and abs(segment.start_us - gate.tail[0]) <= JOINS_US
    before = gate.tail[1] if joins and gate.tail is not None else np.zeros(0, np.int64)
    # How many packets that are no keyframes come before each picture and with it.
    ends = (np.cumsum(small)[wanted] + before.size).tolist()
    told = stretches(np.concatenate((before, sizes[small])), ends)
    at, pts = (times_us[wanted] + segment.start_us).tolist(), table.pts[wanted].tolist()
    tried = found = 0
    if gate.wants_priming(segment.start_us, working_size(table.width, table.height)[::-1]):
        _prime(media, table, gate, zones)
    with PacketDecoder(media, table) as decoder:
        for number, stretch, at_us, label in zip(wanted, told, at, pts, strict=True):
            busy = gate.bustle_of(stretch, pixels, key_bytes, settings)
            if not gate.must_decode(busy, at_us, settings):
                if stretch is not None:
                    gate.bustle.learn(stretch)
                yield _skipped(segment, at_us, label, Reason.QUIET, busy)
                continue
            tried += 1
            shown = _decoded(decoder, table, number, at_us, segment, zones)
            if shown is None:
                yield _skipped(segment, at_us, label, Reason.DAMAGED, busy)
                continue
            found += 1
            verdict = judged(gate, shown, settings, busy)
            if stretch is not None and verdict.reason in (Reason.STILL, Reason.SHAKEN):
                gate.bustle.learn(stretch)
            yield _looked(segment, shown, verdict, busy or 0.0)
    rest = slice(wanted[-1] + 1, None) if wanted else slice(None)
    gate.tail = (segment.end_us, sizes[rest][small[rest]])
    if tried and not found:
        raise nothing_decoded(segment)


def _prime(media: Media, table: PacketTable, gate: Gate, zones: Sequence[Zone]) -> None:
    """Learn the scene from pictures spread over the segment, as far as they can be decoded."""
    times_us = table.time_us()
    every_us = max(1, int(times_us.max() - times_us.min()) // PRIMED)
    wanted = due(times_us, table.key, every_us)[: 2 * PRIMED]
    pictures = []
    with PacketDecoder(media, table) as decoder:
        for number in wanted:
            try:
                frame = decoder.picture(number)
            except (av.FFmpegError, OSError):
                continue  # told when its turn comes
            if frame is not None and not frame.is_corrupt:
                shown = Shown(frame, 0, 0, key=True, zones=zones)
                pictures.append(shown.small(*working_size(*shown.size)))
    same = [one for one in pictures if one.shape == pictures[0].shape]
    if same:
        gate.prime(same)


def judged(gate: Gate, shown: Shown, settings: IndexerSettings, busy: float | None) -> Verdict:
    """The gate's verdict about a decoded picture."""
    small = shown.small(*working_size(*shown.size))
    return gate.decide(small, shown.ts_us, shown.size, settings, busy, key=shown.key)


def _decoded(
    decoder: PacketDecoder, table: PacketTable, number: int, at_us: int, segment: Segment,
    zones: Sequence[Zone],
) -> Shown | None:  # fmt: skip
    """The picture of a packet; None when it is damaged."""
    try:
        frame = decoder.picture(number)
    except (av.FFmpegError, OSError) as error:  # OSError: a changed record of an encrypted file
        log.info("a picture of segment %s is damaged: %s", segment.id, error)
        return None
    if frame is None or frame.is_corrupt:  # what the decoder made up is not what happened
        return None
    key = bool(table.key[number])
    return Shown(frame, at_us, int(table.pts[number]), key=key, zones=zones)


def _looked(segment: Segment, shown: Shown, verdict: Verdict, busy: float) -> Looked:
    crops = [Crop(shown.rgb, None, verdict.novelty)] if verdict.whole else []
    for box in verdict.regions:
        x, y, w, h = box
        # A copy: the view would keep the whole picture while it waits for its batch.
        part = np.ascontiguousarray(shown.rgb[y : y + h, x : x + w])
        crops.append(Crop(part, box, verdict.novelty))
    decision = Decision.EMBEDDED if crops else Decision.SKIPPED
    look = Look(
        segment.camera_id, segment.id, shown.ts_us, shown.pts, decision, verdict.reason,
        verdict.novelty, busy, verdict.quality, len(verdict.regions),
    )  # fmt: skip
    return Looked(look, tuple(crops))


def _skipped(segment: Segment, at_us: int, pts: int, reason: Reason, busy: float | None) -> Looked:
    look = Look(
        segment.camera_id, segment.id, at_us, pts, Decision.SKIPPED, reason, 0.0, busy or 0.0, 0, 0
    )
    return Looked(look, ())
