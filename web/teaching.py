"""What an empty search desk teaches: examples that find something, and what there is to search."""

from __future__ import annotations

from collections.abc import Collection

from storage.clock import US
from storage.directory import DataDirectory
from storage.generations import active_generation
from storage.i18n import N_, tr
from storage.segments import kept_time
from web.formats import counted, span_text

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
    kept = counted(
        count, N_("{length} kept in {n} recording"), N_("{length} kept in {n} recordings"),
        length=span_text(duration_us / US),
    )  # fmt: skip
    if generation is None:
        return tr("{kept}; nothing is indexed yet (`hindsight index` does it).", kept=kept)
    return tr(
        "{kept}; searched with {model}, generation {number}.",
        kept=kept, model=generation.model, number=generation.number,
    )  # fmt: skip
