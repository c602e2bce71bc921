"""What every answer says to the browser: load nothing from elsewhere, frame us nowhere."""

from __future__ import annotations

from flask import Flask, Response, g, request

from storage.i18n import current_language

CONTENT_SECURITY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob:",  # blob: a picture just pasted
        "media-src 'self' blob:",  # blob: Media Source Extensions
        "connect-src 'self'",
        "manifest-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=()",
}


def content_security(pictures_of: str) -> str:
    """The policy of a page that may load pictures of one more origin, which the settings name."""
    return CONTENT_SECURITY.replace("img-src 'self'", f"img-src 'self' {pictures_of}")


def init_headers(app: Flask) -> None:
    """Add them after every request."""
    app.after_request(_add)


def _add(response: Response) -> Response:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers.setdefault("Content-Language", current_language())
    if request.endpoint != "static" and "Cache-Control" not in response.headers:
        # What a person was shown must not come back from a shared machine's cache.
        response.headers["Cache-Control"] = "no-store"
    if g.get("user") is not None:
        response.vary.update(("Cookie", "Authorization"))
    return response
