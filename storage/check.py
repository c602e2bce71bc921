"""Check: walks volumes and ledger and finds what does not hold; it changes nothing."""

from __future__ import annotations

from collections.abc import Iterator

from storage.check_audit import check_audit
from storage.check_ledger import check_ledger
from storage.check_media import check_segments, check_strangers, files_of, open_volumes
from storage.check_seals import check_seals
from storage.directory import DataDirectory
from storage.findings import Finding, Level, Progress, no_progress


def check(
    directory: DataDirectory, level: Level, progress: Progress = no_progress
) -> Iterator[Finding]:
    """Every finding, volumes first; `progress` counts segment rows.

    Files are listed before rows are read: one published meanwhile has its row by then.
    """
    volumes, absent = open_volumes(directory)
    yield from absent
    lying = {volume.name: sorted(files_of(volume)) for volume in volumes.values()}
    yield from check_segments(directory, level, volumes, progress)
    for volume in volumes.values():
        yield from check_strangers(directory, volume, lying[volume.name])
    yield from check_ledger(directory, level)
    yield from check_audit(directory, volumes)
    yield from check_seals(directory, level, volumes)
