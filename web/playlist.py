"""HLS media playlists (RFC 8216) made from the ledger: byte ranges of the files as they lie."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from storage.clock import US, rfc3339
from storage.vocabulary import Segment
from web.masked import Preview
from web.playable import Playable

MEDIA_TYPE = "application/vnd.apple.mpegurl"


def playlist(
    footage: Iterable[tuple[Segment, Playable | Preview]],
    address: Callable[[Segment], str],
    init_address: Callable[[Segment], str],
    piece_address: Callable[[Segment, int], str],
) -> str:
    """One discontinuity and one EXT-X-MAP a segment, one byte range and its UTC a piece; of a
    preview an address a piece."""
    body: list[str] = []
    longest = 1.0
    for segment, file in footage:
        if body:
            body.append("#EXT-X-DISCONTINUITY")
        if isinstance(file, Preview):
            body.append(f'#EXT-X-MAP:URI="{init_address(segment)}"')
            for number, (start_us, end_us) in enumerate(file.pieces):
                longest = max(longest, (end_us - start_us) / US)
                body += [
                    f"#EXT-X-PROGRAM-DATE-TIME:{rfc3339(segment.start_us + start_us)}",
                    f"#EXTINF:{(end_us - start_us) / US:.6f},",
                    piece_address(segment, number),
                ]
            continue
        uri = address(segment)
        if file.edited:
            body.append(f'#EXT-X-MAP:URI="{init_address(segment)}"')
        else:
            body.append(f'#EXT-X-MAP:URI="{uri}",BYTERANGE="{file.init_bytes}@0"')
        for piece in file.pieces:
            longest = max(longest, piece.duration_s)
            at_us = segment.start_us + round((piece.start_s - file.first_s) * US)
            body += [
                f"#EXT-X-PROGRAM-DATE-TIME:{rfc3339(at_us)}",
                f"#EXTINF:{piece.duration_s:.6f},",
                f"#EXT-X-BYTERANGE:{piece.size_bytes}@{piece.offset}",
                uri,
            ]
    head = [
        "#EXTM3U",
        "#EXT-X-VERSION:7",
        f"#EXT-X-TARGETDURATION:{math.ceil(longest)}",
        "#EXT-X-MEDIA-SEQUENCE:0",
        "#EXT-X-PLAYLIST-TYPE:VOD",
        "#EXT-X-INDEPENDENT-SEGMENTS",
    ]
    return "\n".join([*head, *body, "#EXT-X-ENDLIST", ""])
