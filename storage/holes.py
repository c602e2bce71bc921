"""What power loss tears out of a file that was written and not yet synced: pages of zeros.

The room of a segment is taken before it begins, so its file keeps its length, and the boxes of a
fragment may be whole around a hole. Coded pictures and sound hold no page of zeros; G.711, which
is not coded, may: a muted microphone. Files with such sound are taken as they are.
"""

from __future__ import annotations

from dataclasses import replace

from storage.fragments import Fragment, Layout
from storage.media import Media

PAGE = 4096
UNCODED = {"pcm_alaw", "pcm_mulaw"}
TAIL_BYTES = 128 << 20  # more than a camera sends in the ten seconds that `fragment_s` may be


def without_holes(layout: Layout, media: Media) -> Layout:
    """`layout` up to the first fragment with a hole, among those that may not have been synced."""
    if layout.audio is not None and layout.audio.codec in UNCODED:
        return layout
    since = layout.whole_bytes - TAIL_BYTES
    with media.open() as source:
        for number, fragment in enumerate(layout.fragments):
            if fragment.offset + fragment.size_bytes <= since:
                continue
            source.seek(fragment.offset)
            if _has_hole(source.read(fragment.size_bytes), fragment):
                return replace(
                    layout, fragments=layout.fragments[:number], whole_bytes=fragment.offset
                )
    return layout


def _has_hole(data: bytes, fragment: Fragment) -> bool:
    first = -fragment.offset % PAGE
    zeros = bytes(PAGE)
    return any(data[at : at + PAGE] == zeros for at in range(first, len(data) - PAGE + 1, PAGE))
