"""An archive where everything has happened, served from this process to a real browser."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from waitress.server import create_server
from waitress.wasyncore import close_all

from storage import holding
from storage.vocabulary import Actor, Role
from tests.storage.media import new_house
from tests.web.desk import NOW_US, Desk
from tests.web.footage import START_US, keep, lose, register, write_clip
from tests.web.lived_in import CASE, LivedIn, live_in

PEOPLE = {
    "ines": Role.INVESTIGATOR, "omar": Role.OPERATOR, "maria": Role.MANAGER,
    "aude": Role.AUDITOR, "root": Role.ADMINISTRATOR,
}  # fmt: skip


@contextmanager
def lived_in(folder: Path) -> Iterator[LivedIn]:
    """Made, indexed, with somebody of every role."""
    one, two = write_clip(folder / "one.mp4", first=0), write_clip(folder / "two.mp4", first=50)
    house = new_house(folder / "data", NOW_US)
    desk = Desk(house.directory, house.clock)
    gate = desk.cameras["gate"] = register(desk.directory, "gate")
    first = keep(desk.directory, gate, one, START_US)
    second = keep(desk.directory, gate, two, first.end_us)
    lose(desk.directory, gate, second.end_us, second.end_us + 5_000_000)
    desk.segments += [first, second, keep(desk.directory, gate, one, second.end_us + 5_000_000)]
    made = live_in(desk)  # with ines and omar
    with desk.directory.ledger.write() as tx:
        holding.add(
            tx, Actor("ines", CASE, "storm"), gate, first.start_us, first.end_us, at_us=NOW_US
        )  # fmt: skip
    for name, role in PEOPLE.items():
        if name not in ("ines", "omar"):
            desk.person(name, role)
    yield made
    house.directory.close()


@contextmanager
def served(desk: Desk, port: int = 0) -> Iterator[str]:
    """Its address; the application itself, behind the server that `serve` uses."""
    sockets: dict[int, Any] = {}  # of this server alone
    server = create_server(
        desk.app, map=sockets, host="127.0.0.1", port=port, threads=6, ident=None
    )  # fmt: skip
    running = threading.Thread(target=server.run, daemon=True)
    running.start()
    yield f"http://127.0.0.1:{server.effective_port}"
    server.task_dispatcher.shutdown()
    server.trigger.pull_trigger(lambda: close_all(sockets))  # in its own thread, which then ends
    running.join(5)
