"""How the login provider is asked: https, no redirects, no environment's proxies, within limits."""

from __future__ import annotations

import io
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import urllib3
from requests import PreparedRequest, RequestException, Response
from requests.adapters import HTTPAdapter

from storage.settings_section import is_this_machine

MOST_BYTES = 256 * 1024  # of an answer; discovery documents and key sets are a few thousand
PIECE_BYTES = 16 * 1024
TOTAL_FACTOR = 2  # a whole answer may take as many times the wait for its next piece


class Refused(RequestException):
    """The provider answered as no provider should, or was to be asked where none is."""


class NarrowAdapter(HTTPAdapter):
    """For a requests session that asks one provider and nobody else."""

    def __init__(self, timeout_s: float) -> None:
        super().__init__(max_retries=0)
        self._timeout_s = timeout_s

    def send(
        self,
        request: PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: bool | str = True,
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,
    ) -> Response:
        """Send it and take the whole answer in, or refuse it."""
        parts = urlsplit(request.url or "")
        if parts.scheme != "https" and not is_this_machine(parts.hostname):
            raise Refused("the address is not https")
        request.headers["Accept-Encoding"] = "identity"  # what is packed small is not unpacked
        until = time.monotonic() + TOTAL_FACTOR * self._timeout_s
        answer = super().send(
            request, stream=True, timeout=self._timeout_s, verify=verify, cert=cert, proxies=None
        )
        source = answer.raw
        try:
            if 300 <= answer.status_code < 400:
                raise Refused("it sent us elsewhere, and we do not follow")
            if answer.headers.get("Content-Encoding", "identity") != "identity":
                raise Refused("it packed its answer, unasked")
            answer.raw = io.BytesIO(_taken_in(source, until))
        except urllib3.exceptions.HTTPError as error:
            raise Refused(f"its answer broke off: {type(error).__name__}") from None
        finally:
            source.close()
        return answer


def _taken_in(source: urllib3.BaseHTTPResponse, until: float) -> bytes:
    taken = bytearray()
    while piece := source.read1(PIECE_BYTES, decode_content=False):
        taken += piece
        if len(taken) > MOST_BYTES:
            raise Refused("its answer is too long")
        if time.monotonic() > until:
            raise Refused("its answer does not come to an end")
    return bytes(taken)
