"""A camera's URL: which schemes are sources, credentials taken apart, redaction for people."""

from __future__ import annotations

from urllib.parse import quote, unquote, urlsplit, urlunsplit

from storage.errors import Invalid

SCHEMES = ("rtsp", "rtsps", "rtmp", "rtmps", "http", "https", "srt", "tcp", "udp", "rtp", "file")
# Where those that have one listen, unless their URL says otherwise.
PORTS = {"rtsp": 554, "rtsps": 322, "rtmp": 1935, "rtmps": 443, "http": 80, "https": 443}


def split_url(url: str) -> tuple[str, tuple[str, str] | None]:
    """URL as typed → (URL without credentials, (user, password) or None).

    `file:/x.mp4`, `file:relative.mp4` and `file:///x.mp4` are one thing. Invalid when the scheme
    is not a source, the host or path is missing, or the port is not a number.
    """
    text = url.strip()
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:  # its text may quote a piece of a password
        raise Invalid(
            "camera URL {url} cannot be read: its host or port is malformed", url=_shown(text)
        ) from None
    if parts.scheme not in SCHEMES or any(ord(ch) < 32 for ch in text) or len(text) > 2000:
        raise Invalid(
            "camera URL {url} is not a source; it must begin with one of {schemes}",
            url=_shown(text), schemes=", ".join(f"{scheme}:" for scheme in SCHEMES),
        )  # fmt: skip
    if parts.scheme == "file":
        if not parts.path:
            raise Invalid("camera URL {url} names no file", url=_shown(text))
        return text, None
    if not parts.hostname and parts.scheme not in ("udp", "rtp", "srt", "tcp"):
        raise Invalid("camera URL {url} names no host", url=_shown(text))
    if parts.username is None:
        return text, None
    host = parts.hostname or ""
    if ":" in host:
        host = f"[{host}]"
    netloc = host if port is None else f"{host}:{port}"
    clean = urlunsplit((parts.scheme, netloc, parts.path, parts.query, parts.fragment))
    return clean, (unquote(parts.username), unquote(parts.password or ""))


def join_url(url: str, credentials: tuple[str, str] | None) -> str:
    """The URL to open; only the capture process ever holds it."""
    if credentials is None:
        return url
    parts = urlsplit(url)
    user, password = (quote(part, safe="") for part in credentials)
    return urlunsplit(parts._replace(netloc=f"{user}:{password}@{parts.netloc}"))


def _shown(text: str) -> str:
    """Fit for a message: no credentials, not endless. A password may itself hold '@' or '/'."""
    if "@" in text:
        scheme, mark, _ = text.partition("://")
        text = f"{scheme + mark if mark else ''}***@{text.rpartition('@')[2]}"
    return text[:200]
