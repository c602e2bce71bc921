"""Packs the pages and documents that leave: text shrinks to a quarter, footage would not.

BREACH needs requests of another site that carry the session, and those there are none: its cookie
is SameSite=Strict. The form token is signed anew each second, and no page holds another secret.
"""

from __future__ import annotations

import gzip

from flask import Flask, Response, request

LEAST_BYTES = 1000
LEVEL = 4  # of what level 9 saves all but a few per cent, at a quarter of the time
TYPES = frozenset({
    "text/html", "text/csv", "text/plain", "application/json", "application/problem+json",
    "application/vnd.apple.mpegurl", "application/geo+json", "image/svg+xml",
})  # fmt: skip


def init_packing(app: Flask) -> None:
    """Pack whole answers after everything else has been said about them."""
    app.after_request(_pack)


def _pack(response: Response) -> Response:
    if (
        response.mimetype not in TYPES
        or response.is_streamed  # bytes that are not there yet, or a file that is sent as it lies
        or response.direct_passthrough
        or response.status_code in (204, 206, 304)
        or "Content-Encoding" in response.headers
        or "Content-Range" in response.headers
    ):
        return response
    response.vary.add("Accept-Encoding")
    if request.accept_encodings.quality("gzip") <= 0:
        return response
    content = response.get_data()
    if len(content) < LEAST_BYTES:
        return response
    response.set_data(gzip.compress(content, LEVEL, mtime=0))
    response.headers["Content-Encoding"] = "gzip"
    if (etag := response.get_etag()[0]) is not None:
        response.set_etag(etag, weak=True)
    return response
