"""What a camera's SDP (RFC 8866) says of its streams, as far as we read them ourselves."""

from __future__ import annotations

from dataclasses import dataclass

# RFC 3551, table 4: payload types that need no rtpmap.
_STATIC = {0: "PCMU/8000", 8: "PCMA/8000", 14: "MPA/90000"}


@dataclass(frozen=True, slots=True)
class Media:
    """One stream."""

    kind: str  # video, audio, application …
    payload: int  # RTP payload type
    encoding: str  # upper case, as in rtpmap; '' when it is not said
    clock_hz: int
    channels: int
    words: dict[str, str]  # of fmtp, names in lower case
    control: str | None
    lines: tuple[str, ...]  # as they stand in the SDP


@dataclass(frozen=True, slots=True)
class Description:
    """A whole SDP."""

    control: str | None  # of the session
    media: tuple[Media, ...]


def number(text: str | None) -> int | None:
    """A whole number as protocols write it; None when it is none, or absurd."""
    word = (text or "").strip()
    return int(word) if word.isascii() and word.isdecimal() and len(word) <= 9 else None


def parse(text: str) -> Description:
    """ValueError when it is no SDP."""
    head: list[str] = []
    sections: list[list[str]] = []
    for line in text.splitlines():
        if line.startswith("m="):
            sections.append([line])
        elif line.strip():
            (sections[-1] if sections else head).append(line.strip())
    if not any(line.startswith("v=") for line in head):
        raise ValueError("what the camera describes is no SDP")
    return Description(_attribute(head, "control"), tuple(_media(lines) for lines in sections))


def _media(lines: list[str]) -> Media:
    words = lines[0][2:].split()
    if len(words) < 4:
        raise ValueError("a stream is described without its format")
    said_payload = number(words[3])
    payload = -1 if said_payload is None else said_payload
    said = _of_payload(lines, "rtpmap", payload) or _STATIC.get(payload, "")
    encoding, *numbers = said.split("/")
    clock = numbers[0].strip() if numbers else ""
    channels = numbers[1].strip() if len(numbers) > 1 else ""
    return Media(
        kind=words[0],
        payload=payload,
        encoding=encoding.strip().upper(),
        clock_hz=number(clock) or 0,
        channels=number(channels) or 1,
        words=_words(_of_payload(lines, "fmtp", payload) or ""),
        control=_attribute(lines, "control"),
        lines=tuple(lines),
    )


def _attribute(lines: list[str], name: str) -> str | None:
    start = f"a={name}:"
    return next((line[len(start) :].strip() for line in lines if line.startswith(start)), None)


def _of_payload(lines: list[str], name: str, payload: int) -> str | None:
    start = f"a={name}:{payload} "
    return next((line[len(start) :].strip() for line in lines if line.startswith(start)), None)


def _words(text: str) -> dict[str, str]:
    pairs = (word.partition("=") for word in text.split(";"))
    return {name.strip().lower(): value.strip() for name, _, value in pairs if name.strip()}
