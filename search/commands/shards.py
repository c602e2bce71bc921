"""`shards`: the index by day, and writing what is due now instead of in the background."""

from __future__ import annotations

from datetime import date

import click

from search.building import build_due
from search.shards import Header, headers, partition_folder
from storage.commandline import HindsightCommand, Invocation, json_option, pass_invocation
from storage.commands.options import size_text
from storage.generations import active_generation
from storage.i18n import N_, tr
from storage.lake_days import day_versions, live_count


@click.command(
    cls=HindsightCommand,
    help=N_(
        "Say how the index lies on disk, day by day, or write what is due of it. While the web"
        " application serves, that happens in the background."
    ),
    example="hindsight shards --build",
)
@click.option("--build", is_flag=True, help=N_("write what is due now"))
@click.option("--check", is_flag=True, help=N_("also read every byte of every shard again"))
@json_option
@pass_invocation
def command(invocation: Invocation, build: bool, check: bool, as_json: bool) -> None:
    """Build when asked, then list."""
    directory = invocation.directory
    with directory.ledger.read() as tx:
        generation = active_generation(tx)
    if generation is None:
        invocation.json([]) if as_json else invocation.say("nothing is indexed yet")
        return
    if build or check:
        with invocation.progress() as bar:
            task = bar.add_task(tr("shards"), total=1.0)
            done = build_due(
                directory, check=check,
                progress=lambda share: bar.update(task, completed=share),
            )  # fmt: skip
        if not as_json:
            invocation.say(
                "shards written: {shards}, rows in them: {rows}; removed: {removed}",
                shards=done.shards, rows=done.rows, removed=done.removed,
            )  # fmt: skip
    found: list[tuple[date, int, Header | None, bool]] = []
    with directory.ledger.read() as tx:
        for day, version in sorted(day_versions(tx, generation.id).items()):
            good, _ = headers(partition_folder(directory.index, generation, day), generation)
            newest = good[-1] if good else None
            count = live_count(tx, generation.id, day)
            current = newest is not None and newest.version == version
            if count or newest is not None:
                found.append((day, count, newest, current))
    if as_json:
        invocation.json([_document(*one) for one in found])
        return
    columns = [N_("day"), N_("rows"), N_("in its shard"), N_("codes"), N_("size"), N_("current")]
    invocation.table(columns, [_cells(*one) for one in found])


def _cells(day: date, count: int, shard: Header | None, current: bool) -> list[object]:
    if shard is None:
        return [day.isoformat(), count, 0, "", "", ""]
    return [
        day.isoformat(), count, shard.count, tr("yes") if shard.coded else "",
        size_text(shard.size_bytes), tr("yes") if current else "",
    ]  # fmt: skip


def _document(day: date, count: int, shard: Header | None, current: bool) -> dict[str, object]:
    return {
        "day": day.isoformat(),
        "rows": count,
        "sharded_rows": 0 if shard is None else shard.count,
        "coded": shard is not None and shard.coded,
        "size_bytes": 0 if shard is None else shard.size_bytes,
        "current": current,
    }
