"""Where a request comes from when proxies stand in front: only those of the settings are believed.

Each proxy adds the address it was asked from at the right end of X-Forwarded-For. Read from there,
the first that is no proxy of ours is where the request comes from; what stands left of it is what
whoever sent the request made up. (waitress believes one address only; werkzeug's ProxyFix believes
whoever connects, and takes a quote that a stranger sent for the begin of a longer entry.)
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
MOST_HOPS = 32
# All that a proxy may say of where a request comes from; none of it gets further than here.
HEADERS = (
    "HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PROTO", "HTTP_X_FORWARDED_HOST",
    "HTTP_X_FORWARDED_PORT", "HTTP_X_FORWARDED_PREFIX", "HTTP_X_FORWARDED_BY", "HTTP_X_REAL_IP",
    "HTTP_FORWARDED",
)  # fmt: skip


class BehindProxies:
    """The WSGI application, told the address and scheme of who asks, not of the last proxy."""

    def __init__(self, app: WSGIApplication, proxies: Sequence[str]) -> None:
        self._app = app
        self._networks = [ipaddress.ip_network(text) for text in proxies]

    def __call__(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        """Believe the proxies, then forget what they said."""
        connected = _address(environ.get("REMOTE_ADDR", ""))
        if connected is not None and self._is_proxy(connected):
            environ["REMOTE_ADDR"] = str(self._asked_by(connected, environ))
            scheme = environ.get("HTTP_X_FORWARDED_PROTO", "").rpartition(",")[2].strip().lower()
            if scheme in ("http", "https"):
                environ["wsgi.url_scheme"] = scheme
        for name in HEADERS:
            environ.pop(name, None)
        return self._app(environ, start)

    def _asked_by(self, connected: Address, environ: WSGIEnvironment) -> Address:
        """The first from the right that is no proxy; the last that is known, if what follows is
        no address: no proxy writes that."""
        found = connected
        for text in environ.get("HTTP_X_FORWARDED_FOR", "").split(",")[: -MOST_HOPS - 1 : -1]:
            if not self._is_proxy(found) or (address := _address(text.strip())) is None:
                break
            found = address
        return found

    def _is_proxy(self, address: Address) -> bool:
        return any(address in network for network in self._networks)


def _address(text: str) -> Address | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
