"""Whether today's seal is still to be made: asked every minute, so it costs one small file."""

from __future__ import annotations

from storage.clock import utc_day
from storage.directory import DataDirectory
from storage.durable import write_file

DAY_FILE = "sealed"  # in run/: the UTC day of the last whole pass; may be lost


def today(directory: DataDirectory) -> str:
    """The UTC day by the directory's clock."""
    return utc_day(directory.clock.now_us()).isoformat()


def is_due(directory: DataDirectory) -> bool:
    """Whether no whole pass was made today."""
    try:
        return (directory.root / "run" / DAY_FILE).read_text(encoding="ascii") != today(directory)
    except (OSError, ValueError):
        return True  # the first pass here


def done(directory: DataDirectory, day: str) -> None:
    """That day's pass is whole."""
    write_file(directory.root / "run" / DAY_FILE, day.encode("ascii"))
