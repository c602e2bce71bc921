"""The codec of a file as browsers ask for it (RFC 6381), read from its own configuration record."""

from __future__ import annotations

from functools import lru_cache

from web.masked import Preview
from web.playable import Playable

_FLAG_BITS = 32


def codec_string(file: Playable | Preview) -> str | None:
    """'avc1.640028', 'hvc1.2.4.L120.90'; None when nothing more exact is known than the name."""
    return None if isinstance(file, Preview) else _of(file)


@lru_cache(maxsize=4096)
def _of(file: Playable) -> str | None:
    with file.media.open() as source:
        init = source.read(file.init_bytes)
    return _avc(init) or _hevc(init)


def _avc(init: bytes) -> str | None:
    """ISO/IEC 14496-15 § 5.3.3: version, profile, compatibility, level."""
    at = init.find(b"avcC") + 4
    if at < 4 or at + 4 > len(init):
        return None
    return "avc1." + init[at + 1 : at + 4].hex()


def _hevc(init: bytes) -> str | None:
    """ISO/IEC 14496-15 § 8.3.3: profile space, tier, profile; compatibility; constraints; level."""
    at = init.find(b"hvcC") + 4
    if at < 4 or at + 13 > len(init):
        return None
    general, level = init[at + 1], init[at + 12]
    flags = int.from_bytes(init[at + 2 : at + 6], "big")
    turned = int(f"{flags:0{_FLAG_BITS}b}"[::-1], 2)
    constraints = init[at + 6 : at + 12].rstrip(b"\0")
    space = ("", "A", "B", "C")[general >> 6]
    parts = [
        "hvc1", f"{space}{general & 31}", f"{turned:x}", f"{'H' if general & 32 else 'L'}{level}",
        *(f"{byte:x}" for byte in constraints),
    ]  # fmt: skip
    return ".".join(parts)
