"""Which pictures of a segment are due, told from its table of packets: nothing is decoded.

The same pictures as `indexer.sampling.samples` chooses by reading and decoding.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from indexer.sampling import SLACK

Int64s = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


def due(times_us: Int64s, key: Bools, interval_us: int) -> list[int]:
    """Numbers of the packets whose pictures are due, ascending in time.

    `times_us`: when each is shown, in the order of the file; the first is a keyframe. At most
    `interval_us` (+ 5 %) apart where there are pictures: the latest keyframe within reach, else
    the picture nearest to the due instant.
    """
    starts = np.flatnonzero(key)
    if starts.size == 0:
        return []
    reach_us = round(interval_us * (1 + SLACK))
    last_us = int(times_us[starts[0]]) - 1 - reach_us
    ends = [*starts[1:].tolist(), len(times_us)]
    final_us = int(times_us.max())
    chosen: list[int] = []
    for start, end in zip(starts.tolist(), ends, strict=True):
        at_us = int(times_us[start])
        next_us = int(times_us[end]) if end < len(times_us) else final_us
        # The keyframe itself, where the next one comes too late.
        if next_us - last_us > reach_us and at_us > last_us:
            chosen.append(start)
            last_us = at_us
        if next_us - last_us <= reach_us:
            continue
        inside = times_us[start:end]
        order = np.argsort(inside, kind="stable")
        # What is shown before its keyframe leans on the group before.
        order = order[inside[order] >= at_us]
        shown = inside[order]
        while next_us - last_us > reach_us:
            place = _nearest(shown, last_us, interval_us, reach_us)
            if place is None:
                break
            chosen.append(start + int(order[place]))
            last_us = int(shown[place])
    return chosen


def _nearest(shown: Int64s, last_us: int, interval_us: int, reach_us: int) -> int | None:
    """The picture after `last_us` that is nearest to the due instant; None when there is none."""
    due_us = last_us + interval_us
    after = int(np.searchsorted(shown, due_us, side="right"))
    before = after - 1
    has_before = before >= 0 and int(shown[before]) > last_us
    if after < len(shown):
        at_us = int(shown[after])
        if not has_before:
            return after
        early_us = due_us - int(shown[before])
        if at_us - due_us < early_us and at_us <= last_us + reach_us:
            return after
    return before if has_before else None
