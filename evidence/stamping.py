"""Asks a time-stamping authority (RFC 3161) when a bundle's fingerprint was there."""

from __future__ import annotations

import hashlib
import http.client
import ssl
import time
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509
from rfc3161_client import (
    HashAlgorithm,
    PKIStatus,
    TimeStampRequest,
    TimestampRequestBuilder,
    TimeStampResponse,
    VerificationError,
    VerifierBuilder,
    decode_timestamp_response,
)

from storage.directory import DataDirectory
from storage.errors import Invalid

TIMEOUT_S = 10.0  # of one try
TRIES = 2
MOST_BYTES = 1 << 20
GRANTED = (PKIStatus.GRANTED, PKIStatus.GRANTED_WITH_MODS)


class NoStamp(Exception):
    """The authority did not give one; says why."""


def stamp(directory: DataDirectory, content: bytes) -> bytes:
    """The authority's response (DER) over SHA-256 of `content`. NoStamp without one.

    It is for these bytes and this question; who signed it is checked when the settings name the
    authority's roots, else by whoever verifies the bundle. Only the address in the settings is ever
    asked; redirects and proxies are not followed.
    """
    url = directory.settings.evidence.tsa_url or ""
    roots = _roots(directory)
    why = NoStamp("")
    for _ in range(TRIES):
        request = (
            TimestampRequestBuilder().data(content).hash_algorithm(HashAlgorithm.SHA256).build()
        )
        try:
            raw = _ask(url, request.as_bytes())
            _check(decode_timestamp_response(raw), request, content, roots)
            return raw
        except TimeoutError:
            why = NoStamp("no answer in time")
        except (OSError, http.client.HTTPException) as error:
            said = error.strerror if isinstance(error, OSError) else None
            why = NoStamp(f"no answer: {said or type(error).__name__}")
        except (ValueError, VerificationError) as error:
            why = NoStamp(f"not a valid answer: {error}")
        except NoStamp as error:
            why = error
    raise why


def _roots(directory: DataDirectory) -> Sequence[x509.Certificate]:
    """Of the authority, as the settings name them; Invalid when they cannot be read."""
    path = directory.settings.evidence.tsa_roots
    if path is None:
        return []
    place = directory.root / path
    try:
        return x509.load_pem_x509_certificates(Path(place).read_bytes())
    except (OSError, ValueError) as error:
        raise Invalid(
            "root certificates {file} ([evidence] tsa_roots) cannot be read: {error}; nothing was"
            " exported",
            file=place, error=error,
        ) from None  # fmt: skip


def _ask(url: str, body: bytes) -> bytes:
    parts, until = urlsplit(url), time.monotonic() + TIMEOUT_S
    host, port = parts.hostname or "", parts.port
    opened: http.client.HTTPConnection
    if parts.scheme == "https":
        trust = ssl.create_default_context()
        opened = http.client.HTTPSConnection(host, port, timeout=TIMEOUT_S, context=trust)
    else:
        opened = http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)
    try:
        where = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        opened.request("POST", where, body, {"Content-Type": "application/timestamp-query"})
        with opened.getresponse() as answer:
            if answer.status != 200:
                raise NoStamp(f"HTTP {answer.status}")
            raw = b""
            while (piece := answer.read1(1 << 16)) and len(raw) <= MOST_BYTES:
                raw += piece
                if time.monotonic() > until:  # one that trickles never times out by itself
                    raise TimeoutError
            return raw
    finally:
        opened.close()


def _check(
    response: TimeStampResponse, request: TimeStampRequest, content: bytes,
    roots: Sequence[x509.Certificate],
) -> None:  # fmt: skip
    """NoStamp or VerificationError unless it is a stamp over these bytes, for this request."""
    if response.status not in GRANTED:
        raise NoStamp("refused: " + "; ".join(response.status_string or [str(response.status)]))
    info = response.tst_info
    if info.message_imprint.message != hashlib.sha256(content).digest():
        raise NoStamp("it stamped something else")
    if info.nonce != request.nonce:
        raise NoStamp("it answered another request")
    if roots:
        VerifierBuilder(nonce=request.nonce, roots=list(roots)).build().verify_message(
            response, content
        )
