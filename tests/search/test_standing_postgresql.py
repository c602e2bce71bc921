"""Standing queries with a ledger on a real PostgreSQL server, where writers do not queue."""

from __future__ import annotations

import json
import threading
from pathlib import Path

from search.standing import Round, Watch
from search.standing_telling import Telling
from storage import audit, schema
from storage.clock import US
from storage.directory import DataDirectory
from storage.ledger import Ledger
from storage.settings import Settings
from storage.volumes import Archive
from tests.search.lookout import STREET, new_lookout
from tests.search.receiver import receiving, with_webhooks
from tests.storage.media import HandClock
from tests.storage.test_postgresql import ledger, server_url

__all__ = ["ledger", "server_url"]  # fixtures
FLOOD = [*STREET, "flood", *STREET]
PROCESSES = 4


def test_who_look_at_the_same_time_fire_once_and_tell_once(ledger: Ledger, tmp_path: Path) -> None:
    """A lock keeps two apart on one machine; on two machines the ledger must."""
    directory = DataDirectory(tmp_path, Settings(), ledger, Archive({}), HandClock(0))
    with ledger.write() as tx:
        tx.execute(schema.volume.insert().values(name="main", uuid="u", created_us=1))
    lookout = new_lookout(directory)
    with receiving() as receiver:
        with_webhooks(directory, duty=receiver.url)
        lookout.add(webhook="duty")
        lookout.film("gate", FLOOD)
        lookout.film("bridge", FLOOD)
        together, rounds = threading.Barrier(PROCESSES), list[Round]()

        def process() -> None:
            watch, telling = Watch(directory, lookout.engine), Telling(directory)
            together.wait(30)
            rounds.append(watch.look())
            telling.begin()
            telling.wait()

        threads = [threading.Thread(target=process) for _ in range(PROCESSES)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        told = [json.loads(request.body)["data"]["camera"] for request in receiver.taken]
    assert [one.failed for one in rounds] == [{}] * PROCESSES
    assert sum(one.fired for one in rounds) == 2
    assert [one.delivery for one in lookout.firings()] == ["delivered"] * 2
    assert sorted(told) == ["bridge", "gate"]
    with ledger.read() as tx:
        assert list(audit.verify(tx)) == []
    assert len(lookout.audited("standing_fired")) == 2
    lookout.close_case()
    lookout.clock.forward(5 * US)
    assert lookout.look().ended == ["flood"]
