"""What `search --explain` says: which partitions, how many rows, compared how."""

from __future__ import annotations

from collections.abc import Sequence

from search.partitions import Partition
from search.ranking import Step
from storage.i18n import tr


def explained(partitions: Sequence[Partition], days: int, steps: Sequence[Step]) -> list[str]:
    """Lines for people; a line or two for each step of the query."""
    whole = sum(partition.rows for partition in partitions)
    lines = [tr("partitions by day: {asked} of {all}", asked=len(partitions), all=days)]
    tail = sum(
        len(block.rows)
        for partition in partitions
        for block in partition.blocks
        if block.header is None
    )
    if tail:
        lines.append(tr("rows that no shard covers yet: {count}", count=tail))
    for step in steps:
        told = step.told
        if told is None:
            continue
        share = 100 * told.qualify / max(1, whole)
        lines.append(
            tr(
                "rows that qualify: {count} of {all} ({share} %)",
                count=told.qualify, all=whole, share=f"{share:.2f}",
            )
        )  # fmt: skip
        lines.append(tr("compared exactly, every one: {count}", count=told.exact))
        if told.coded:
            lines.append(
                tr(
                    "chosen by codes: {chosen} of {count} in {shards} shards, in rounds: {rounds};"
                    " these compared exactly",
                    chosen=told.chosen, count=told.coded, shards=told.shards, rounds=told.rounds,
                )
            )  # fmt: skip
        lines.append(tr("compared in {ms} ms", ms=f"{told.took_s * 1000:.1f}"))
    return lines
