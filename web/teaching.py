"""What an empty search desk teaches: examples that find something, and what there is to search."""

from __future__ import annotations

from collections.abc import Collection

from storage.clock import US
from storage.directory import DataDirectory
from storage.generations import active_generation
from storage.i18n import N_, tr
from storage.segments import kept_time
from web.formats import number_text, span_text

EXAMPLES = (
    N_("a red car"),
    N_("a person pushing a bicycle"),
    N_("a white van at night"),
    N_("people crossing the street"),
)


def examples() -> list[str]:
    """Descriptions worth trying."""
    return [tr(text) for text in EXAMPLES]


def kept_text(directory: DataDirectory, cameras: Collection[int] | None) -> str:
    """One line on what there is to search of these cameras (keys; None: of all)."""
    with directory.ledger.read() as tx:
        count, duration_us = kept_time(tx, cameras)
        generation = active_generation(tx)
    if not count:
        return tr("No footage is kept yet; record or import some, then index it.")
    length, shown = span_text(duration_us / US), number_text(count)
    if generation is None:
        return tr(
            "{length} kept in {n} recordings; nothing is indexed yet (`hindsight index` does it).",
            length=length, n=shown,
        )  # fmt: skip
    return tr(
        "{length} kept in {n} recordings; searched with {model}, generation {number}.",
        length=length, n=shown, model=generation.model, number=generation.number,
    )  # fmt: skip
