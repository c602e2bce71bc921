"""AAC as MPEG-TS carries it (ADTS frames, no configuration) made into what MP4 wants: the reverse.

The sound itself is copied bit by bit; the header of each frame says what the file's header says.
"""

from __future__ import annotations

from typing import Any

from av import Packet
from av.audio.stream import AudioStream

RATES = (
    96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350,
)  # fmt: skip
PROFILES = {"Main": 1, "LC": 2, "SSR": 3, "LTP": 4}


def is_needed(stream: AudioStream) -> bool:
    """Whether the stream is AAC without the configuration MP4 needs."""
    context = stream.codec_context
    return context.codec.canonical_name == "aac" and not context.extradata


def configuration(stream: AudioStream) -> bytes:
    """AudioSpecificConfig (ISO/IEC 14496-3, 1.6.2.1)."""
    context = stream.codec_context
    kind = PROFILES.get(str(context.profile), PROFILES["LC"])
    rate = RATES.index(context.sample_rate) if context.sample_rate in RATES else RATES.index(44100)
    return bytes([(kind << 3) | (rate >> 1), ((rate & 1) << 7) | (context.channels << 3)])


def bare(packet: Packet[Any]) -> Packet[Any]:
    """The raw AAC frame of an ADTS frame (1.A.2); a packet that is none comes back as it is."""
    data = bytes(packet)
    if len(data) < 9 or data[0] != 0xFF or data[1] & 0xF0 != 0xF0:
        return packet
    protected = not data[1] & 1  # a checksum follows the header
    frame = Packet(data[9 if protected else 7 :])
    frame.duration = packet.duration
    frame.is_keyframe = True
    return frame
