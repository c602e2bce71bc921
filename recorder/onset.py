"""The onset of a live stream: what waited while FFmpeg probed gets the time it truly came at.

Opening a source takes a second or more, and what came meanwhile is handed out in one burst. Taken
at its word that burst would set the clock of the whole stretch late. So the first half second of
packets is held, and dated by the one of them that waited least. Packets without any time stamp
(the first of an RTSP stream has none) are placed by their neighbours: none is dropped.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from av import Packet

from storage.clock import US

HOLD_US = US // 2
HOLD_BYTES = 16 << 20


@dataclass(slots=True)  # not frozen: one is made for every packet, and that is twice as dear
class Arrival:
    """A packet and when it reached us."""

    packet: Packet[Any]
    arrival_us: int
    camera_us: int | None  # the camera's own UTC for this packet, from RTCP, when it says
    exact: bool = True  # False: it may have waited before it was read


def steadied(
    arrivals: Iterable[Arrival], video_index: int, *, are_dated: bool = False
) -> Iterator[Arrival]:
    """The same packets in the same order, all with a time stamp, the first ones dated anew.
    `are_dated`: they all have one already.

    What the source raises is raised after the packets that were held before it.
    """
    held: list[Arrival] = []
    last: dict[int, _Place] = {}
    size = 0
    holding = True
    failure: Exception | None = None
    source = iter(arrivals)
    while holding:
        try:
            arrival = next(source)
        except StopIteration:
            break
        except Exception as error:  # whatever it is: first what came before it
            failure = error
            break
        held.append(arrival)
        size += arrival.packet.size
        holding = arrival.arrival_us - held[0].arrival_us < HOLD_US and size < HOLD_BYTES
    _stamp_backwards(held)
    dated = deque(_dated(held, video_index))
    held.clear()  # this frame lives as long as the stream
    while dated:
        arrival = dated.popleft()
        _stamp(arrival, last)
        yield arrival
    if failure is not None:
        raise failure
    if not holding and are_dated:
        yield from source
    elif not holding:
        for arrival in source:
            _stamp(arrival, last)
            yield arrival


def time_us(packet: Packet[Any]) -> int | None:
    """Where a packet stands on its stream's time line, microseconds; None when it does not say."""
    ticks = packet.dts if packet.dts is not None else packet.pts
    return None if ticks is None else int(ticks * time_base(packet) * US)


def _shown_us(packet: Packet[Any]) -> int | None:
    """When its picture is shown on that line: an instant that cannot be after its arrival."""
    return time_us(packet) if packet.pts is None else int(packet.pts * time_base(packet) * US)


def _dated(held: list[Arrival], video_index: int) -> list[Arrival]:
    """Arrivals by the video packet that waited least; never later than they were."""
    placed = [(a, _shown_us(a.packet)) for a in held if a.packet.stream_index == video_index]
    delays = [a.arrival_us - at for a, at in placed if at is not None]
    if not delays:
        return held
    least = min(delays)
    dated = []
    for arrival in held:
        at_us = _shown_us(arrival.packet)
        came_us = arrival.arrival_us
        if at_us is not None:
            came_us = min(came_us, at_us + least)
        dated.append(replace(arrival, arrival_us=came_us))
    return dated


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a packet stood; kept apart, for whoever takes a packet may move its times."""

    ticks: int
    duration: int
    arrival_us: int

    def ticks_to(self, arrival: Arrival) -> int:
        """To the next one: the duration; where none is said, as much as it came later or sooner."""
        waited_us = abs(arrival.arrival_us - self.arrival_us)
        waited = int(Fraction(waited_us, US) / time_base(arrival.packet))
        return max(1, self.duration or arrival.packet.duration or waited)


def _place(arrival: Arrival) -> _Place:
    packet = arrival.packet
    ticks = packet.dts if packet.dts is not None else packet.pts
    return _Place(ticks or 0, packet.duration or 0, arrival.arrival_us)


def _stamp(arrival: Arrival, last: dict[int, _Place]) -> None:
    """A packet without time follows the one before; a stream that never says begins at zero."""
    packet = arrival.packet
    if packet.dts is None and packet.pts is None:
        before = last.get(packet.stream_index)
        ticks = 0 if before is None else before.ticks + before.ticks_to(arrival)
        packet.pts = packet.dts = ticks
    last[packet.stream_index] = _place(arrival)


def _stamp_backwards(held: list[Arrival]) -> None:
    """Packets before the first with a time are dated back from it."""
    after: dict[int, _Place] = {}
    for arrival in reversed(held):
        packet = arrival.packet
        known = after.get(packet.stream_index)
        if time_us(packet) is None and known is not None:
            packet.pts = packet.dts = known.ticks - known.ticks_to(arrival)
        if time_us(packet) is not None:
            after[packet.stream_index] = _place(arrival)


def time_base(packet: Packet[Any]) -> Fraction:
    """Seconds in a tick of the packet's stream."""
    return packet.time_base or Fraction(1, 90_000)
