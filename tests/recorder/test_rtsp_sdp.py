"""What a camera describes: read as far as we read it, never more than a ValueError."""

from __future__ import annotations

from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from recorder.rtsp.sdp import parse

CAMERA = """v=0\r
o=- 1 1 IN IP4 10.0.0.1\r
s=Media Presentation\r
a=control:rtsp://10.0.0.1/live/\r
m=video 0 RTP/AVP 96 97\r
b=AS:5000\r
a=rtpmap:96 h264/90000\r
a=rtpmap:97 rtx/90000\r
a=fmtp:96 profile-level-id=4D0029; packetization-mode=1;Sprop-Parameter-Sets=Z00A==,aO4=\r
a=control:trackID=0\r
m=audio 0 RTP/AVP 0\r
a=control:trackID=1\r
a=sendonly\r
m=application 0 RTP/AVP 107\r
"""
_WORDS = st.sampled_from(
    ["v=0", "m=video 0 RTP/AVP 96", "m=audio", "m=", "m=audio 0 RTP/AVP ²", "a=rtpmap:96 ",
     "a=rtpmap:96 H264/²", "a=rtpmap:96 /", "a=fmtp:96 ;=;a;=b;;", "a=control:", "a=", "=", ""]
)  # fmt: skip


def test_streams_are_read_as_they_are_described() -> None:
    told = parse(CAMERA)
    video, audio, other = told.media
    assert told.control == "rtsp://10.0.0.1/live/"
    assert (video.kind, video.payload, video.encoding, video.clock_hz) == (
        "video", 96, "H264", 90000,
    )  # fmt: skip
    assert video.words["packetization-mode"] == "1"
    assert video.words["sprop-parameter-sets"] == "Z00A==,aO4="
    assert (audio.encoding, audio.clock_hz, audio.channels) == ("PCMU", 8000, 1)
    assert (other.kind, other.encoding, other.control) == ("application", "", None)


@given(st.lists(st.one_of(_WORDS, st.text(max_size=30)), max_size=12))
def test_whatever_a_camera_describes_it_is_read_or_no_sdp(lines: list[str]) -> None:
    with suppress(ValueError):
        parse("\r\n".join(lines))
