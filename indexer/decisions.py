"""What indexing decided about the pictures of a span, read back: for those who audit recall."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from storage.directory import DataDirectory
from storage.errors import DataLoss
from storage.generations import active_generation
from storage.lake_work import looks_parts
from storage.looks import SCHEMA, read_looks


def decisions(
    directory: DataDirectory,
    *,
    camera_ids: Sequence[int],
    from_us: int | None = None,
    to_us: int | None = None,
) -> pa.Table:
    """Rows of storage.looks of [from_us, to_us), by the generation that answers, by camera and
    time. Only of footage that is kept. DataLoss when a part is damaged."""
    with directory.ledger.read() as tx:
        generation = active_generation(tx)
        parts = (
            {}
            if generation is None
            else looks_parts(tx, generation.id, camera_ids=camera_ids, from_us=from_us, to_us=to_us)
        )
    tables = [SCHEMA.empty_table()]
    for part, segment_ids in parts.items():
        try:
            table = read_looks(
                directory.lake, [part], camera_ids=camera_ids, from_us=from_us, to_us=to_us
            )
        except (OSError, pa.ArrowException) as error:
            raise DataLoss(
                "lake part {part} is damaged ({error}); run `hindsight index` to mend it",
                part=part, error=error,
            ) from None  # fmt: skip
        # A segment that was indexed anew counts only in the part that is named for it.
        tables.append(table.filter(pc.is_in(table["segment_id"], pa.array(segment_ids))))
    found = pa.concat_tables(tables)
    return found.sort_by([("camera_id", "ascending"), ("ts_us", "ascending")])
