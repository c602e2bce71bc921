"""A camera's URL: credentials come apart and never show, in a message or in the log."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.errors import Invalid
from storage.logs import redact
from storage.source_url import join_url, split_url


@pytest.mark.parametrize(
    ("url", "clean", "credentials"),
    [
        ("rtsp://10.0.0.7/main", "rtsp://10.0.0.7/main", None),
        ("rtsp://u:p@10.0.0.7:554/main?x=1", "rtsp://10.0.0.7:554/main?x=1", ("u", "p")),
        ("rtsp://admin:p@ss@host/x", "rtsp://host/x", ("admin", "p@ss")),
        ("rtsp://admin:p%40%2Fss@host/x", "rtsp://host/x", ("admin", "p@/ss")),
        ("rtsp://admin@[fe80::1]:554/x", "rtsp://[fe80::1]:554/x", ("admin", "")),
        ("file:/x.mp4?loop=1", "file:/x.mp4?loop=1", None),
        ("srt://:9000?mode=listener", "srt://:9000?mode=listener", None),
    ],
)
def test_credentials_come_apart(url: str, clean: str, credentials: tuple[str, str] | None) -> None:
    assert split_url(url) == (clean, credentials)


@given(st.text(min_size=1, max_size=20), st.text(max_size=20))
def test_what_comes_apart_goes_together_again(user: str, password: str) -> None:
    try:
        whole = join_url("rtsp://host:554/main", (user, password))
    except UnicodeEncodeError:
        return  # a lone surrogate is no text
    assert split_url(whole) == ("rtsp://host:554/main", (user, password))


@pytest.mark.parametrize(
    "url",
    ["gopher://u:hunter2@h/x", "rtsp://u:hunter2@h:port/x", "rtsp://u:hun/ter2@h/x",
     "//u:hunter2@h", "rtsp://u:hunter2@", "rtsp://u:hunter2@/x", "rtsp://u:hunter2@[::1/x"],
)  # fmt: skip
def test_a_bad_url_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(Invalid) as refused:
        split_url(url)
    for secret in ("hunter2", "ter2", "hun"):
        assert secret not in str(refused.value)


@pytest.mark.parametrize(
    "url", ["", "gate", "rtsp://", "file:", "rtsp://h/\nx", "rtsp://" + "h" * 3000]
)
def test_a_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(Invalid):
        split_url(url)


def test_the_log_repeats_no_password() -> None:
    for text in (
        "opening rtsp://admin:hunter2@10.0.0.7/main",
        "opening rtsp://admin:p@hunter2@10.0.0.7/main and more",
        "GET http://10.0.0.7/video?user=a&password=hunter2&x=1",
    ):
        assert "hunter2" not in redact(text)
        assert "10.0.0.7" in redact(text)
