"""Asking, kept: a query is stored with its run before it is searched, its answer after.

Whatever is asked can be asked again as it was, and what was answered can be shown as it was, also
when the model, the code or the footage are others by then.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection
from ulid import ULID

from search.admission import admitted
from search.circumstances import circumstances, code_version, way_of
from search.kept_queries import keep, packed, read_back, text_of
from search.kept_runs import BESIDE, TOKEN, Kept, silent_since
from search.pulse import Progress, Pulse, Stop
from search.query import Query
from storage import register, search_runs, stored_queries
from storage.clock import US
from storage.directory import DataDirectory
from storage.errors import Conflict, HindsightError, Invalid
from storage.i18n import N_
from storage.stored_queries import NAME_CHARACTERS
from storage.vocabulary import Actor

if TYPE_CHECKING:
    from search.answer import Answer
    from search.early import SoFar
    from search.engine import Engine

DAY_US = 86_400 * US
UNEXPECTED = N_("an unexpected error happened; nothing half-done stays, ask again")
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Asked:
    """A run that is done: its token, and its answer as it is given and as it was kept."""

    token: str
    answer: Answer
    document: dict[str, Any]  # of `search --json`


def ask(
    engine: Engine,
    query: Query,
    actor: Actor,
    *,
    stop: Stop | None = None,
    progress: Progress | None = None,
) -> Asked:
    """Store, search, keep the answer. Errors as of `Engine.search`."""
    token = enter(engine.directory, query, actor, state="running")
    return carry_out(engine, token, query, actor, stop=stop, progress=progress)


def ask_again(engine: Engine, kept: Kept, actor: Actor) -> Asked:
    """The same stored query, now."""
    token, query = enter_again(engine.directory, kept, actor, state="running")
    return carry_out(engine, token, query, actor)


def enter(directory: DataDirectory, query: Query, actor: Actor, *, state: str) -> str:
    """Store a query and a run of it ('running', or 'waiting' for its turn); returns its token.

    NotFound: unknown camera, site or case. Conflict: closed case. Denied: a case is required.
    What is refused is not stored.
    """
    pictures = packed(query)
    now_us = directory.clock.now_us()
    with directory.ledger.write() as tx:
        admitted(tx, directory, query, actor.name)  # refused before it is stored
        _keep_house(tx, directory, now_us)
        # A page that is loaded again asks the same: that is another run, not another query.
        stored = stored_queries.same(
            tx, text_of(query), asked_by=actor.name, case_id=query.case_id,
            since_us=now_us - DAY_US,
        ) or keep(tx, query, actor.name, now_us, pictures)  # fmt: skip
        return _run_of(tx, stored.id, actor, state, now_us)


def enter_again(
    directory: DataDirectory, kept: Kept, actor: Actor, *, state: str
) -> tuple[str, Query]:
    """Another run of a stored query. As `enter`; DataLoss: a picture of it is damaged."""
    with directory.ledger.read() as tx:
        query = read_back(tx, kept.query.id)
    now_us = directory.clock.now_us()
    with directory.ledger.write() as tx:
        admitted(tx, directory, query, actor.name)
        _keep_house(tx, directory, now_us)
        stored_queries.find(tx, kept.query.id)  # it may have been forgotten meanwhile
        return _run_of(tx, kept.query.id, actor, state, now_us), query


def carry_out(
    engine: Engine,
    token: str,
    query: Query,
    actor: Actor,
    *,
    stop: Stop | None = None,
    progress: Progress | None = None,
    told: Callable[[], object] | None = None,
) -> Asked:
    """Search for a run that is 'running', and keep what comes of it: answer, error or cancel.

    `told`: called whenever it has found more; that is kept until the answer comes.
    """
    directory = engine.directory
    who = actor.under(query.case_id, query.reason)
    with Pulse(directory, token, stop) as pulse:
        try:
            with directory.ledger.read() as tx:
                within = admitted(tx, directory, query, actor.name)
                among = None if within is None else (lambda camera: camera.id in within)
                asked = register.find_cameras(tx, query.cameras, query.sites, among)
                now_us, settings = directory.clock.now_us(), directory.settings
                beside = circumstances(tx, query, asked, settings, now_us)
            report = pulse.reporting(progress)
            keep = None if told is None else _keeping(directory, token, told)
            answer = engine.search(
                query, who, token=token, stop=pulse.stopped, progress=report, so_far=keep
            )
        except BaseException as error:  # also an interrupt: whoever looks at the run is to know
            end(directory, token, error, stopped=pulse.stopped())
            raise
    beside["way"] = way_of(answer.plan)
    document = {"token": token, **answer.document()}
    generation = answer.generation
    with directory.ledger.write() as tx:
        kept = search_runs.finish(
            tx, token, at_us=directory.clock.now_us(),
            model=None if generation is None else generation.model,
            generation=None if generation is None else generation.number,
            answer=json.dumps({**document, BESIDE: beside}, ensure_ascii=False),
        )  # fmt: skip
    if not kept:
        raise Conflict("the search was cancelled")
    return Asked(token, answer, document)


def _keeping(
    directory: DataDirectory, token: str, told: Callable[[], object]
) -> Callable[[SoFar], None]:
    def keep(found: SoFar) -> None:
        text = json.dumps(found.document(), ensure_ascii=False)
        try:
            with directory.ledger.write() as tx:
                search_runs.found_so_far(tx, token, text)
        except HindsightError as error:  # the answer comes all the same
            log.warning("search %s: what is found could not be kept: %s", token, error)
            return
        told()

    return keep


def end(directory: DataDirectory, token: str, error: BaseException, *, stopped: bool) -> None:
    """Note what a run ended with that did not come to its answer; one that has ended stays so."""
    now_us = directory.clock.now_us()
    try:
        with directory.ledger.write() as tx:
            if stopped or not isinstance(error, Exception):
                search_runs.cancel(tx, token, now_us)
            else:
                said = error.text() if isinstance(error, HindsightError) else UNEXPECTED
                search_runs.fail(tx, token, now_us, said)
    except HindsightError as trouble:  # what is raised is the error itself, not this one
        log.warning("search %s: its end could not be noted: %s", token, trouble)


def cancel(directory: DataDirectory, token: str) -> bool:
    """End a run that waits or runs, whoever runs it; False when it had ended."""
    with directory.ledger.write() as tx:
        return search_runs.cancel(tx, token, directory.clock.now_us())


def rename(directory: DataDirectory, kept: Kept, name: str) -> None:
    """Name the query of a run, so that it is found by that; '' takes the name away."""
    name = " ".join(name.split())
    if len(name) > NAME_CHARACTERS or TOKEN.fullmatch(name.upper()):
        raise Invalid(
            "a name has at most {most} characters and must not look like a token",
            most=NAME_CHARACTERS,
        )
    with directory.ledger.write() as tx:
        stored_queries.rename(tx, kept.query.id, name or None)


def keep_house(directory: DataDirectory) -> None:
    """Forget what is no longer to be kept, and give up what died: also when nobody asks."""
    gone = 1
    while gone:
        with directory.ledger.write() as tx:
            gone = _keep_house(tx, directory, directory.clock.now_us())


def _keep_house(tx: Connection, directory: DataDirectory, now_us: int) -> int:
    search_runs.give_up(tx, silent_since(now_us), now_us)
    keep_us = round(directory.settings.search.keep_days * DAY_US)
    return stored_queries.prune(tx, now_us - keep_us)


def _run_of(tx: Connection, query_id: str, actor: Actor, state: str, now_us: int) -> str:
    token = str(ULID())
    search_runs.add(
        tx, token=token, query_id=query_id, state=state, asked_by=actor.name, at_us=now_us,
        code_version=code_version(),
    )  # fmt: skip
    return token
