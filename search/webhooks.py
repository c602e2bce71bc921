"""Webhooks: one signed POST to an address that the administrator named, as Standard Webhooks has
it (github.com/standard-webhooks/standard-webhooks, spec 1.0).

Nobody else names an address: a server that sends to any URL it is given opens the network it
stands in. Redirects are not followed, proxies of the environment are not used.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import socket
import ssl
import time
from dataclasses import dataclass, field
from importlib.metadata import version
from threading import Timer
from urllib.parse import SplitResult, urlsplit

from storage.directory import DataDirectory
from storage.errors import Invalid, NotFound, Unavailable
from storage.settings import webhook_key

CONNECT_S = 5.0
TOTAL_S = 10.0
MOST_ADDRESSES = 4  # of one host that are tried, within the time
ANSWER_CHARACTERS = 200  # of an answer that is kept
ANSWER_BYTES = 4 * ANSWER_CHARACTERS  # that are read for it
GONE = 410  # "do not come again", says the standard
SHORTEST_SECRET = 4  # characters of an address that are worth hiding


@dataclass(frozen=True, slots=True)
class Target:
    """Whom to tell, with what signs it. Neither is ever printed."""

    name: str
    url: str = field(repr=False)
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one attempt. `status` None: there was no answer."""

    status: int | None
    said: str  # in English; holds nothing of the address or the secret

    @property
    def delivered(self) -> bool:
        """2xx: the receiver has it."""
        return self.status is not None and 200 <= self.status < 300


def target(directory: DataDirectory, name: str) -> Target:
    """The webhook of this name in the settings.

    NotFound: it is not there. Unavailable or Invalid: its secret cannot be read or used.
    """
    settings = directory.settings.webhooks.get(name)
    if settings is None:
        known = ", ".join(sorted(directory.settings.webhooks)) or "-"
        raise NotFound(
            "webhook {name} is not in the settings (there: {known}); an administrator adds"
            " [webhooks.{name}]",
            name=name[:64], known=known,
        )  # fmt: skip
    if settings.secret is not None:
        secret = settings.secret.get_secret_value()
    else:
        path = directory.root / (settings.secret_file or "")
        try:
            secret = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            raise Unavailable(
                "the secret of webhook {name} cannot be read from {file}; nothing is sent unsigned",
                name=name, file=path,
            ) from None  # fmt: skip
    try:
        key = webhook_key(secret)
    except ValueError as error:
        raise Invalid(
            "the secret of webhook {name} cannot be used: {error}", name=name, error=error
        ) from None
    return Target(name, settings.url.get_secret_value(), key)


def signature(key: bytes, message_id: str, timestamp_s: int, body: bytes) -> str:
    """'v1,' and the base64 of HMAC-SHA256 over 'id.timestamp.body'."""
    signed = f"{message_id}.{timestamp_s}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def send(
    to: Target,
    message_id: str,
    timestamp_s: int,
    body: bytes,
    *,
    connect_s: float = CONNECT_S,
    total_s: float = TOTAL_S,
) -> Outcome:
    """POST it once; whatever happens is an outcome. Takes at most about `total_s` seconds."""
    parts = urlsplit(to.url)
    headers = {
        "Content-Type": "application/json",
        "User-Agent": f"Hindsight/{version('hindsight-archive')}",
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp_s),
        "webhook-signature": signature(to.key, message_id, timestamp_s, body),
        "Connection": "close",
    }
    until = time.monotonic() + total_s
    try:
        with _connected(parts, min(connect_s, total_s), until) as opened:
            outcome = _exchange(opened, parts, headers, body, until)
    except TimeoutError:
        outcome = Outcome(None, "no answer in time")
    except ssl.SSLCertVerificationError as error:
        outcome = Outcome(None, f"its certificate is not trusted: {error.verify_message}")
    except (OSError, http.client.HTTPException, UnicodeError) as error:
        if time.monotonic() >= until:  # cut off by the clock
            outcome = Outcome(None, "no answer in time")
        else:
            why = error.strerror if isinstance(error, OSError) else None
            outcome = Outcome(None, f"no answer: {why or type(error).__name__}")
    return Outcome(outcome.status, _without(outcome.said, to, parts))


def _connected(parts: SplitResult, connect_s: float, until: float) -> socket.socket:
    """A plain connection, or one over which TLS is yet to be spoken."""
    host, secure = parts.hostname or "", parts.scheme == "https"
    found = socket.getaddrinfo(host, parts.port or (443 if secure else 80), type=socket.SOCK_STREAM)
    trouble: OSError = TimeoutError("connect")
    for family, kind, protocol, _, address in found[:MOST_ADDRESSES]:
        left_s = min(connect_s, until - time.monotonic())
        if left_s <= 0:
            break
        plain = socket.socket(family, kind, protocol)
        try:
            plain.settimeout(left_s)
            plain.connect(address)
        except OSError as error:
            plain.close()
            trouble = error
            continue
        if not secure:
            return plain
        return ssl.create_default_context().wrap_socket(
            plain, server_hostname=host, do_handshake_on_connect=False
        )
    raise trouble


def _exchange(
    opened: socket.socket, parts: SplitResult, headers: dict[str, str], body: bytes, until: float
) -> Outcome:
    # A timeout of a socket counts from byte to byte: one that trickles would never end.
    cut = Timer(max(0.0, until - time.monotonic()), _cut, (opened,))
    cut.daemon = True
    cut.start()
    try:
        opened.settimeout(max(0.001, until - time.monotonic()))
        if isinstance(opened, ssl.SSLSocket):
            opened.do_handshake()
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port)
        connection.sock = opened
        where = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("POST", where, body, {"Host": parts.netloc, **headers})
        with connection.getresponse() as answer:
            try:
                text = answer.read(ANSWER_BYTES).decode("utf-8", "replace")
            except (OSError, http.client.HTTPException):
                text = ""  # the status was said, and that is what counts
            return Outcome(answer.status, _summary(answer.status, text))
    finally:
        cut.cancel()


def _cut(opened: socket.socket) -> None:
    try:
        # Not SSLSocket's own, which says goodbye first.
        socket.socket.shutdown(opened, socket.SHUT_RDWR)
    except OSError:
        return  # closed meanwhile


def _summary(status: int, text: str) -> str:
    if 300 <= status < 400:
        return f"HTTP {status}: it redirects, which is not followed"
    line = " ".join("".join(ch if ch.isprintable() else " " for ch in text).split())
    return f"HTTP {status}: {line[:ANSWER_CHARACTERS]}".rstrip(": ")


def _without(text: str, to: Target, parts: SplitResult) -> str:
    """An answer may repeat the address, and that may itself be a secret."""
    secrets = (to.url, f"{parts.path}?{parts.query}", parts.path, parts.query, parts.netloc,
               parts.hostname)  # fmt: skip
    for secret in secrets:
        if secret and len(secret) >= SHORTEST_SECRET:
            text = text.replace(secret, "…")
    return text
