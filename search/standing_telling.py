"""Telling of firings: which webhook is due what, again and again until it took it or it is too
late; each attempt is audited."""

from __future__ import annotations

import json
import logging
import threading
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import Connection

from search import webhooks
from search.standing_register import why_over
from search.webhooks import CONNECT_S, GONE, TOTAL_S, Outcome
from storage import audit, register, standing_firings, standing_queries
from storage.access import access_of
from storage.approvals_needed import Approvals
from storage.clock import US, rfc3339
from storage.directory import DataDirectory
from storage.errors import HindsightError
from storage.i18n import N_
from storage.rights import Verb
from storage.standing_firings import Firing
from storage.standing_queries import StandingQuery
from storage.vocabulary import Actor

# After the first attempt and each later one: then it has failed.
AGAIN_AFTER_S = (60, 300, 1800, 7200, 28_800)
MOST_ATTEMPTS = len(AGAIN_AFTER_S) + 1
CLAIM_S = 60  # whoever tells is given up for dead after: longer than an attempt and its commit
IN_ONE = 100  # firings of one webhook in one go
# Kept in the ledger as they stand here, and translated when they are shown.
INTERRUPTED = N_("the last attempt was interrupted")
OVER = {
    standing_queries.EXPIRED: N_("the standing query expired before anybody was told"),
    standing_queries.CASE_CLOSED: N_("its case was closed before anybody was told"),
}
NOT_GRANTED = N_("who wanted it may no longer search this camera")
ENDED = N_("the standing query was ended before anybody was told")
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Claimed:
    """A firing that this process tells now, for the `number`th time."""

    firing: Firing
    standing: StandingQuery
    number: int
    body: bytes

    @property
    def message_id(self) -> str:
        """The same at every attempt, so that the receiver knows what it has."""
        return f"{self.standing.query_id}-{self.firing.id}"


class Telling:
    """Tells whoever is to be told, in a thread per webhook: a dead one delays no other."""

    def __init__(
        self, directory: DataDirectory, *, connect_s: float = CONNECT_S, total_s: float = TOTAL_S
    ) -> None:
        self._directory = directory
        self._connect_s = connect_s
        self._total_s = total_s
        self._threads: dict[str, threading.Thread] = {}
        self._stopping = threading.Event()

    def begin(self) -> None:
        """Tell what is due; returns at once. A webhook that is still being told is left to it."""
        with self._directory.ledger.read() as tx:
            names = standing_firings.due_webhooks(tx, self._directory.clock.now_us())
        for name in names:
            known = self._threads.get(name)
            if known is None or not known.is_alive():
                thread = threading.Thread(
                    target=self._tell_all, args=(name,), name=f"webhook {name}", daemon=True
                )
                self._threads[name] = thread
                thread.start()

    def stop(self) -> None:
        """Begin no further attempt, and wait for those under way."""
        self._stopping.set()
        self.wait()

    def wait(self) -> None:
        """Until every thread has come to its end; each attempt has a time limit."""
        for thread in self._threads.values():
            thread.join()

    def _tell_all(self, webhook: str) -> None:
        try:
            with self._directory.ledger.read() as tx:
                now_us = self._directory.clock.now_us()
                keys = standing_firings.due(tx, webhook, now_us, limit=IN_ONE)
            for key in keys:
                # Nobody there: the others wait for the next round, and nobody waits for them.
                if self._stopping.is_set() or not self._tell(webhook, key):
                    return
        except Exception as error:
            # A thread that dies of a busy ledger must not take what is due with it: next round.
            log.warning("webhook %s could not be told: %s", webhook, error)

    def _tell(self, webhook: str, key: int) -> bool:
        """One attempt. False when the receiver cannot be reached at all."""
        directory = self._directory
        with directory.ledger.write() as tx:
            claimed = self._claim(tx, key)
        if claimed is None:
            return True
        try:
            to = webhooks.target(directory, webhook)
        except HindsightError as error:  # taken out of the settings, or its secret is gone
            outcome = Outcome(None, str(error))
        else:
            outcome = webhooks.send(
                to, claimed.message_id, directory.clock.now_us() // US, claimed.body,
                connect_s=self._connect_s, total_s=self._total_s,
            )  # fmt: skip
        with directory.ledger.write() as tx:
            self._note(tx, claimed, outcome)
        return outcome.status is not None

    def _claim(self, tx: Connection, key: int) -> _Claimed | None:
        """Take a firing for one attempt; None when it is not to be told, now or ever."""
        now_us = self._directory.clock.now_us()
        # The query first, then its firings, as whoever looks does: else they wait for each other.
        standing = standing_queries.locked(tx, standing_firings.find(tx, key).standing_id)
        firing = standing_firings.waiting(tx, key, now_us)
        if firing is None:
            return None
        closed = standing_queries.case_is_closed(tx, standing.case_id)
        over = why_over(standing, case_closed=closed, now_us=now_us)
        if over is not None:
            self._give_up(tx, firing, standing, OVER.get(over, ENDED))
            return None
        owner = access_of(tx, standing.created_by, now_us)
        camera = register.camera_by_id(tx, firing.camera_id)
        approvals = Approvals(tx, self._directory.settings.access, owner, standing.case_id)
        if not (owner.may(Verb.SEARCH, camera) and approvals.allow(Verb.SEARCH, camera, None)):
            self._give_up(tx, firing, standing, NOT_GRANTED)
            return None
        if firing.attempts >= MOST_ATTEMPTS:
            self._give_up(tx, firing, standing, INTERRUPTED)
            return None
        number = firing.attempts + 1
        standing_firings.attempt(tx, key, number, now_us + CLAIM_S * US)
        body = json.dumps(_message(tx, firing, standing), ensure_ascii=False).encode()
        return _Claimed(firing, standing, number, body)

    def _give_up(self, tx: Connection, firing: Firing, standing: StandingQuery, why: str) -> None:
        standing_firings.undelivered(tx, firing.id, why, None)
        self._audit(tx, firing, standing, {"outcome": "failed", "error": why})

    def _note(self, tx: Connection, claimed: _Claimed, outcome: Outcome) -> None:
        firing, standing, number = claimed.firing, claimed.standing, claimed.number
        now_us = self._directory.clock.now_us()
        standing_queries.locked(tx, standing.id)
        detail: dict[str, Any] = {"attempt": number, "status": outcome.status}
        current = standing_firings.find(tx, firing.id)
        mine = current.delivery == "waiting" and current.attempts == number
        if outcome.delivered:
            detail["outcome"] = "delivered"
            if current.delivery != "delivered":
                standing_firings.delivered(tx, firing.id, now_us)
        else:
            is_last = number >= MOST_ATTEMPTS or outcome.status == GONE
            next_us = None if is_last else now_us + AGAIN_AFTER_S[number - 1] * US
            detail |= {"outcome": "failed" if is_last else "again", "error": outcome.said}
            if mine:  # not given up for dead meanwhile
                standing_firings.undelivered(tx, firing.id, outcome.said, next_us)
        self._audit(tx, firing, standing, detail)

    def _audit(
        self, tx: Connection, firing: Firing, standing: StandingQuery, detail: dict[str, Any]
    ) -> None:
        audit.record(
            tx, Actor(f"standing query {standing.name}", standing.case_id), "standing_told",
            standing.name, at_us=self._directory.clock.now_us(),
            detail={"firing": firing.id, "webhook": standing.webhook, **detail},
        )  # fmt: skip


def _message(tx: Connection, firing: Firing, standing: StandingQuery) -> dict[str, Any]:
    """What is told, as Standard Webhooks lays a message out. No picture, and no reason."""
    camera = register.camera_by_id(tx, firing.camera_id)
    where = {"camera": camera.slug, "at": rfc3339(firing.ts_us), "case": standing.case_id}
    return {
        "type": "standing.fired",
        "timestamp": rfc3339(firing.at_us),
        "data": {
            "standing": standing.name, "case": standing.case_id, "firing": firing.id,
            "camera": camera.slug, "camera_name": camera.name, "site": camera.site,
            "start": rfc3339(firing.start_us), "end": rfc3339(firing.end_us),
            "time": rfc3339(firing.ts_us), "score": round(firing.score, 4),
            "model": firing.model, "generation": firing.generation,
            "link": f"/player?{urlencode(where)}",
        },
    }  # fmt: skip
