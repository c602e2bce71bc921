"""How often may be tried: waits for addresses, and for names that nobody has; a bounded table.

An address waits at most half a minute, because a whole house may come from one (a proxy), and is
forgiven by the minute. Names wait longer and are kept as hashes: people type passwords there.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Callable
from contextlib import suppress

from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from storage.clock import US
from storage.errors import Denied
from storage.login_tables import login_limit

FREE_FAILURES_OF_PEER = 30  # a house behind one proxy mistypes too
LONGEST_PEER_WAIT_S = 30
FORGIVEN_EVERY_S = 60  # one failure of an address
MOST_ROWS = 10_000  # beyond, those seen longest ago are forgotten
_l = login_limit.c


def refuse(until_us: int | None, now_us: int) -> None:
    """Denied while a wait lasts."""
    if until_us is not None and until_us > now_us:
        seconds = -(-(until_us - now_us) // US)
        raise Denied("too many wrong passwords; try again in {seconds} s", seconds=seconds)


def refuse_peer(tx: Connection, peer: str, now_us: int) -> None:
    """Denied while an address waits."""
    refuse(_until(tx, _peer_key(peer)), now_us)


def refuse_name(tx: Connection, name: str, now_us: int) -> None:
    """Denied while a name that nobody has waits, as one that somebody has would."""
    refuse(_until(tx, _name_key(name)), now_us)


def count_peer(tx: Connection, peer: str, now_us: int) -> None:
    """A failure from this address."""
    _count(tx, _peer_key(peer), now_us, _peer_locked_until, forgiven_every_s=FORGIVEN_EVERY_S)


def count_name(
    tx: Connection, name: str, now_us: int, locked_until: Callable[[int, int], int | None]
) -> None:
    """A failure of a name that nobody has; `locked_until` as for names that somebody has."""
    _count(tx, _name_key(name), now_us, locked_until, forgiven_every_s=None)


def _peer_locked_until(failures: int, now_us: int) -> int | None:
    over = failures - FREE_FAILURES_OF_PEER
    return None if over < 0 else now_us + min(2 ** min(over, 30), LONGEST_PEER_WAIT_S) * US


def _until(tx: Connection, key: str) -> int | None:
    return tx.execute(select(_l.locked_until_us).where(_l.key == key)).scalar()


def _count(
    tx: Connection,
    key: str,
    now_us: int,
    locked_until: Callable[[int, int], int | None],
    *,
    forgiven_every_s: int | None,
) -> None:
    query = select(_l.failures, _l.seen_us).where(_l.key == key).with_for_update()
    row = tx.execute(query).first()
    if row is None:
        _make_room(tx)
        with suppress(IntegrityError), tx.begin_nested():  # another login may have been first
            tx.execute(insert(login_limit).values(key=key, failures=0, seen_us=now_us))
        row = tx.execute(query).one()
    failures = row.failures
    if forgiven_every_s is not None:
        failures -= max(0, now_us - row.seen_us) // (forgiven_every_s * US)
    failures = max(0, failures) + 1
    tx.execute(
        update(login_limit)
        .where(_l.key == key)
        .values(failures=failures, seen_us=now_us, locked_until_us=locked_until(failures, now_us))
    )


def _make_room(tx: Connection) -> None:
    """Forget the row seen longest ago once there are MOST_ROWS."""
    limit = select(_l.seen_us).order_by(_l.seen_us.desc()).offset(MOST_ROWS - 1).limit(1)
    oldest_us = tx.execute(limit).scalar()
    if oldest_us is not None:
        tx.execute(delete(login_limit).where(_l.seen_us <= oldest_us))


def _peer_key(peer: str) -> str:
    """One for an IPv4 address, one for an IPv6 /64: whoever has one of those has all of it."""
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return f"peer:{hashlib.sha256(peer.encode()).hexdigest()}"
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return f"peer:{address.ipv4_mapped}"
        return f"peer:{ipaddress.ip_network((int(address), 64), strict=False).network_address}/64"
    return f"peer:{address}"


def _name_key(name: str) -> str:
    return f"name:{hashlib.sha256(name.encode()).hexdigest()}"
