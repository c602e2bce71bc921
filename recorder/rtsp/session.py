"""The RTSP conversation (RFC 2326) with one camera: describe, set up over TCP, play, stay alive."""

from __future__ import annotations

import base64
import re
import select
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit, urlunsplit
from urllib.request import AbstractDigestAuthHandler

from recorder.rtsp.sdp import Media, number
from recorder.rtsp.wire import Handler, Message, Wire, WireBroken

_QUOTED = re.compile(r'"[^"]*"')
_DIGEST = re.compile(r"\bdigest\s+")
_WORD = re.compile(r'([\w-]+)\s*=\s*(?:"([^"]*)"|([^\s,"]*))')
PORT = 554
LATE_S = 1.0  # what the right answer gets after a wrong one
TIMEOUT_S = 60  # of a session, where the camera does not say


class Refused(Exception):
    """The camera answered no. The text is fit for a person."""


class BeyondUs(Exception):
    """Something this reader does not do; FFmpeg may."""


@dataclass(frozen=True)
class _Asked:
    """A request as the standard library's digest wants to see it."""

    verb: str
    full_url: str
    data: None = None

    @property
    def selector(self) -> str:
        """What is signed: in RTSP the whole URL."""
        return self.full_url

    def get_method(self) -> str:
        """The verb."""
        return self.verb


class _Credentials:
    """User and password, and what the camera challenged us with."""

    def __init__(self, user: str, password: str) -> None:
        self._user, self._password = user, password
        self._digest = AbstractDigestAuthHandler(self)  # type: ignore[arg-type]
        self._challenge: dict[str, str] | None = None
        self._basic = False

    def add_password(self, *_: object) -> None:
        """Part of what the standard library asks of a password manager; never called."""

    def find_user_password(self, _realm: str, _url: str) -> tuple[str, str]:
        """The same for every realm: one camera, one account."""
        return self._user, self._password

    def challenged(self, challenges: list[str]) -> None:
        """Digest where it is offered: Basic tells the password to whoever listens. One header may
        offer both."""
        for challenge in challenges:
            bare = _QUOTED.sub(lambda found: "_" * len(found[0]), challenge).lower()
            if found := _DIGEST.search(bare):
                words = _WORD.finditer(challenge, found.end())
                self._challenge = {word[1].lower(): word[2] or word[3] or "" for word in words}
                return
            self._basic |= bare.startswith("basic")
        if not self._basic:
            raise BeyondUs

    @property
    def nonce(self) -> str | None:
        """Of the latest challenge."""
        return None if self._challenge is None else self._challenge.get("nonce")

    def header(self, verb: str, url: str) -> str | None:
        """The value of `Authorization`; None before a challenge."""
        if self._challenge is not None:
            try:
                signed = self._digest.get_authorization(
                    _Asked(verb, url),  # type: ignore[arg-type]
                    self._challenge,
                )
            except (ValueError, OSError):  # an algorithm, or letters, it does not know
                raise BeyondUs from None
            if signed is None:
                raise BeyondUs
            return f"Digest {signed}"
        if self._basic:
            both = f"{self._user}:{self._password}".encode()
            return f"Basic {base64.b64encode(both).decode()}"
        return None


class Session:
    """A connection. Made and used by one thread; what it waits for, it waits for until
    `open_timeout_s` after its making."""

    def __init__(self, url: str, open_timeout_s: float) -> None:
        """Connect. OSError when nobody answers, TimeoutError when it takes too long."""
        parts = urlsplit(url)
        host = parts.hostname or ""
        place = f"[{host}]" if ":" in host else host
        place = place if parts.port is None else f"{place}:{parts.port}"
        self.url = urlunsplit(parts._replace(netloc=place, fragment=""))
        self._ends = time.monotonic() + open_timeout_s
        self._credentials = None
        if parts.username is not None:
            self._credentials = _Credentials(unquote(parts.username), unquote(parts.password or ""))
        self._count = 0
        self._public = ""
        self._base = self.url
        self._id: str | None = None
        self._alive_s = TIMEOUT_S / 2
        self._spoke = time.monotonic()
        self._may_repeat = False
        self.wire = Wire(socket.create_connection((host, parts.port or PORT), open_timeout_s))
        self.wire.socket.setblocking(False)
        self._poll = select.poll()
        self._poll.register(self.wire.socket, select.POLLIN)
        self.wire.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def describe(self) -> str:
        """The SDP."""
        self._public = self._ask("OPTIONS", self.url, fails=False).get("public") or ""
        answer = self._ask("DESCRIBE", self.url, {"Accept": "application/sdp"})
        base = answer.get("content-base") or answer.get("content-location")
        self._base = base or self.url
        return answer.body.decode("utf-8", "replace")

    def set_up(self, media: Media, channel: int) -> int:
        """Have a stream sent; the channel its packets come on, its reports on the next one."""
        asked = f"RTP/AVP/TCP;unicast;interleaved={channel}-{channel + 1}"
        answer = self._ask("SETUP", self._join(media.control), {"Transport": asked})
        said = (answer.get("session") or "").split(";")
        self._id = said[0].strip() or self._id
        for word in said[1:]:
            name, _, value = word.strip().partition("=")
            if name.lower() == "timeout" and (timeout_s := number(value)):
                self._alive_s = max(1.0, timeout_s / 2)
        for word in (answer.get("transport") or "").split(";"):
            name, _, value = word.strip().partition("=")
            given = number(value.partition("-")[0])
            if name.lower() == "interleaved" and given is not None:
                return given
        raise BeyondUs

    def aggregate(self, control: str | None) -> None:
        """What the session as a whole is called; the names of streams are relative to it."""
        self._base = self._join(control)

    def play(self, handlers: Mapping[int, Handler]) -> None:
        """Begin. What comes before the answer is handed to `handlers`, too."""
        self._ask("PLAY", self._base, {"Range": "npt=0.000-"}, handlers)

    def stay_alive(self) -> None:
        """Speak, when it is time to; its answer is read with everything else, and what the camera
        asks is answered."""
        now = time.monotonic()
        if now - self._spoke >= self._alive_s:
            self._may_repeat = True
            self._speak()
        while self.wire.messages:
            message = self.wire.messages.popleft()
            if not message.first.startswith("RTSP/"):
                self._obey(message)
            elif _status(message) == 401 and self._credentials is not None:
                before = self._credentials.nonce
                self._credentials.challenged(message.all("www-authenticate"))
                # The old one was stale; or our password is: cameras lock accounts over that.
                if self._may_repeat and self._credentials.nonce != before:
                    self._may_repeat = False
                    self._speak()

    def _speak(self) -> None:
        verb = "GET_PARAMETER" if "GET_PARAMETER" in self._public else "OPTIONS"
        self._say(verb, self._base, {})

    def _obey(self, request: Message) -> None:
        verb = request.first.split(" ")[0]
        if verb in ("TEARDOWN", "REDIRECT", "ANNOUNCE"):
            raise WireBroken(f"the camera ended the stream ({verb})")
        self.send(f"RTSP/1.0 200 OK\r\nCSeq: {request.get('cseq')}\r\n\r\n".encode())

    def send(self, data: bytes) -> None:
        """A few bytes. A connection so full that it does not take them needs none."""
        with suppress(BlockingIOError):
            if self.wire.socket.send(data) != len(data):
                raise WireBroken("the connection is full in the middle of what we say")

    def wait(self, seconds: float) -> bool:
        """Until something came; False when nothing did in that time."""
        return bool(self._poll.poll(max(0.0, seconds) * 1000))

    def close(self) -> None:
        """Hang up, politely."""
        with suppress(OSError, BeyondUs, WireBroken):
            if self._id is not None:
                self._say("TEARDOWN", self._base, {})
        self.wire.socket.close()

    def _ask(
        self, verb: str, url: str, headers: Mapping[str, str] = {},
        handlers: Mapping[int, Handler] = {}, *, fails: bool = True,
    ) -> Message:  # fmt: skip
        """The answer, the second when the first one challenges us. Refused when it is a no."""
        for attempt in range(2):
            self._say(verb, url, headers)
            answer = self._answer(handlers)
            status = _status(answer)
            if status == 401 and attempt == 0 and self._credentials is not None:
                self._credentials.challenged(answer.all("www-authenticate"))
                continue
            break
        if status in (401, 403):
            raise Refused(f"wrong user or password ({_text(answer)})")
        if fails and status == 404:
            raise Refused(_text(answer))
        if fails and status != 200:
            raise BeyondUs
        return answer

    def _say(self, verb: str, url: str, headers: Mapping[str, str]) -> None:
        self._count += 1
        self._spoke = time.monotonic()
        lines = [f"{verb} {url} RTSP/1.0", f"CSeq: {self._count}", "User-Agent: Hindsight"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if self._id is not None:
            lines.append(f"Session: {self._id}")
        if self._credentials is not None and (signed := self._credentials.header(verb, url)):
            lines.append(f"Authorization: {signed}")
        self.send(("\r\n".join(lines) + "\r\n\r\n").encode())

    def _answer(self, handlers: Mapping[int, Handler]) -> Message:
        miscounts = False
        while True:
            while self.wire.messages:
                message = self.wire.messages.popleft()
                if not message.first.startswith("RTSP/"):
                    self._obey(message)
                elif message.get("cseq") in (str(self._count), None):
                    return message
                else:
                    miscounts = True  # a late answer, or a camera that cannot count
            left_s = self._ends - time.monotonic()
            if left_s <= 0 or not self.wait(min(left_s, LATE_S if miscounts else left_s)):
                if miscounts:
                    raise BeyondUs
                raise TimeoutError
            self.wire.take(handlers)

    def _join(self, control: str | None) -> str:
        if control is None or control == "*":
            return self._base
        if control.lower().startswith(("rtsp://", "rtsps://")):
            return control
        return f"{self._base}{'' if self._base.endswith('/') else '/'}{control}"


def _status(message: Message) -> int:
    words = message.first.split(" ")
    return (number(words[1]) or 0) if len(words) > 1 else 0


def _text(message: Message) -> str:
    return message.first.partition(" ")[2][:100]
