"""How many rows of each segment a Parquet part of the lake holds."""

from __future__ import annotations

import errno
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from storage import lake as lake_parts
from storage.errors import DataLoss, Unavailable
from storage.vocabulary import Generation

# What the file itself is to blame for. Any other number speaks of this machine, now: too many
# files open, no memory, a server that does not answer.
DAMAGE = {
    errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EIO, errno.ENODATA, errno.EILSEQ,
    errno.EBADMSG, errno.EUCLEAN,
}  # fmt: skip


def count_vectors(
    lake: Path, part: str, generation: Generation, *, thorough: bool
) -> dict[str, int]:
    """Segment → rows of a part with vectors. Reads one column; `thorough`: all, and the checksum.

    DataLoss when it is missing, damaged, or not of this generation; else as `count_looks`.
    """
    if thorough and (lake / part).is_file():
        try:
            table, _ = lake_parts.read_part(lake, part, generation)
        except (DataLoss, MemoryError) as error:
            reason = error.__context__ if isinstance(error, DataLoss) else error
            if reason is not None and not _is_damage(reason):
                raise _not_now(part, reason) from None
            raise
        return _counted(table)
    table = _read(lake, part, ["segment_id"])
    facts = table.schema.metadata or {}
    if facts.get(b"hindsight.weights") != generation.weights_hash.encode():
        raise DataLoss(
            "lake part {part} is of another model than generation {number}; run `hindsight index`"
            " to mend it",
            part=part, number=generation.number,
        )  # fmt: skip
    return _counted(table)


def count_looks(lake: Path, part: str, *, thorough: bool) -> dict[str, int]:
    """Segment → rows of a part with decisions. Reads one column; `thorough`: every page.

    DataLoss when it is missing or damaged. Unavailable when it may not be read, or cannot be read
    now: that is no loss.
    """
    return _counted(_read(lake, part, None if thorough else ["segment_id"]))


def _read(lake: Path, part: str, columns: list[str] | None) -> pa.Table:
    try:
        return pq.read_table(
            lake / part, columns=columns, partitioning=None, page_checksum_verification=True
        )
    except FileNotFoundError:
        raise DataLoss(
            "lake part {part} is missing; run `hindsight index` to mend it", part=part
        ) from None
    except PermissionError:
        raise Unavailable(
            "lake part {part} may not be read; see who owns {folder}, and run this again",
            part=part, folder=lake,
        ) from None  # fmt: skip
    except (OSError, MemoryError, pa.ArrowException) as error:
        if not _is_damage(error):
            raise _not_now(part, error) from None
        raise DataLoss(
            "lake part {part} is damaged ({error}); run `hindsight index` to mend it",
            part=part, error=error,
        ) from None  # fmt: skip


def _is_damage(error: BaseException) -> bool:
    """Whether another try would fail as well. Arrow gives what it cannot parse no number."""
    if isinstance(error, MemoryError):
        return False
    number = error.errno if isinstance(error, OSError) else None
    return number is None or number in DAMAGE


def _not_now(part: str, error: BaseException) -> Unavailable:
    return Unavailable(
        "lake part {part} cannot be read now ({error}); its segments stay as they are;"
        " run this again",
        part=part, error=error,
    )  # fmt: skip


def _counted(table: pa.Table) -> dict[str, int]:
    counts = table.column("segment_id").value_counts()
    return {row["values"].as_py(): row["counts"].as_py() for row in counts}
