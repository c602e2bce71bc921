"""The part of `check` that looks at the lake: named parts are there and whole, deleted footage has
left it."""

from __future__ import annotations

from collections.abc import Iterator

from storage import lake_work
from storage.clock import US
from storage.directory import DataDirectory
from storage.errors import HindsightError
from storage.findings import Finding, Level
from storage.generations import generations
from storage.i18n import N_
from storage.vocabulary import Generation

LATE_US = 86_400 * US  # retention and upkeep had their turn by then
_LINGERS = N_(
    "lake part {part} still holds rows of {n} segments whose footage was deleted more than a day"
    " ago; `hindsight record` and `hindsight index` remove them while they run"
)


def check_lake(directory: DataDirectory, level: Level) -> Iterator[Finding]:
    """Invariant 8; at level hash every byte is read."""
    with directory.ledger.read() as tx:
        known = generations(tx)
    for generation in known:
        if generation.state == "retired":
            continue
        for column in lake_work.COLUMNS:
            with directory.ledger.read() as tx:
                named = lake_work.live_names(tx, generation.id, column)
            for part in named:
                if (finding := _finding(directory, level, generation, column, part)) is None:
                    continue
                with directory.ledger.read() as tx:
                    if lake_work.is_named(tx, generation.id, column, part):
                        yield finding  # else it was replaced meanwhile
    lingering = _named_late(directory, known)
    if level is Level.HASH:
        lingering |= _lying_late(directory)
    for part, count in sorted(lingering.items()):
        yield Finding(8, _LINGERS, {"part": part, "n": count}, loss=False, path=part)


def _finding(
    directory: DataDirectory, level: Level, generation: Generation, column: str, part: str
) -> Finding | None:
    """What is wrong with a part that a row names."""
    if not (directory.lake / part).is_file():
        return Finding(
            8, N_("lake part {part} is missing; run `hindsight index` to mend it"),
            {"part": part}, path=part,
        )  # fmt: skip
    if level is not Level.HASH:
        return None
    from storage.lake import read_part  # brings in pyarrow: only when it is needed
    from storage.looks import read_looks_part

    try:
        if column == "looks":
            read_looks_part(directory.lake, part)
        else:
            read_part(directory.lake, part, generation)
    except HindsightError as error:
        return Finding(8, error.message, error.fields, path=part)
    return None


def _named_late(directory: DataDirectory, known: list[Generation]) -> dict[str, int]:
    """Part → segments long gone that still name it."""
    before_us = directory.clock.now_us() - LATE_US
    found = {}
    with directory.ledger.read() as tx:
        for generation in known:
            for column in lake_work.COLUMNS:
                for one in lake_work.parts_with_gone(tx, generation.id, column):
                    if late := lake_work.expired_before(tx, one.gone, before_us):
                        found[one.part] = len(late)
    return found


def _lying_late(directory: DataDirectory) -> dict[str, int]:
    """Part → segments long gone whose rows are in the file, whatever the ledger names."""
    from storage.lake_copying import segments_in
    from storage.lake_files import lying_parts

    before_us = directory.clock.now_us() - LATE_US
    found = {}
    for part in lying_parts(directory.lake):
        try:
            held = sorted(segments_in(directory, part))
        except HindsightError:
            continue  # said where it is named
        with directory.ledger.read() as tx:
            if late := lake_work.expired_before(tx, held, before_us):
                found[part] = len(late)
    return found
