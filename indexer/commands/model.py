"""`hindsight model`: which embedding model indexes and answers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from indexer.choices import CHOICES, is_trained
from indexer.embedder import UNTRAINED, load_model, model_warning
from storage import generations, standings
from storage.clock import US, rfc3339
from storage.commandline import (
    HindsightCommand,
    HindsightGroup,
    Invocation,
    json_option,
    pass_invocation,
)
from storage.directory import DataDirectory
from storage.i18n import N_, tr

if TYPE_CHECKING:
    from rich.progress import Progress

    from indexer.embedder import Embedder
    from indexer.nano.examination import Examined
    from storage.standings import Extent, Standing
    from storage.vocabulary import Generation


@click.group(cls=HindsightGroup, help=N_("Embedding models and index generations."))
def command() -> None:
    """Each subcommand says what it does."""


@command.command(
    name="list",
    cls=HindsightCommand,
    help=N_("A short choice of models, and which is in use; any open_clip model may be named."),
    example="hindsight model list",
)
@json_option
@pass_invocation
def list_models(invocation: Invocation, as_json: bool) -> None:
    """The choice, then what the ledger knows beside it."""
    rows, stand = _rows(invocation.directory)
    if as_json:
        invocation.json(rows)
        return
    words = {"active": tr("answers"), "building": tr("being built"), "retired": tr("was used")}
    invocation.table(
        [N_("model"), N_("languages"), N_("dimension"), N_("size, MB"), N_("in use"), N_("why")],
        [
            (
                row["model"], row["languages"], row["dimension"], row["size_mb"],
                words.get(row["state"] or "", ""), row["why"],
            )
            for row in rows
        ],
    )  # fmt: skip
    if stand:
        click.echo()
        _show_generations(invocation, stand)


def _show_generations(invocation: Invocation, stand: list[tuple[Standing, Extent]]) -> None:
    """How far each is, how its model answers golden queries, since when it answers."""
    words = {"active": tr("answers"), "building": tr("being built"), "retired": tr("was used")}
    invocation.table(
        [N_("generation"), N_("state"), N_("hours indexed"), N_("share"), N_("failed"),
         N_("golden queries"), N_("answers since")],
        [
            (
                f"{one.generation.model} {one.generation.number}", words[one.generation.state],
                f"{far.done_us / US / 3600:.2f} / {far.kept_us / US / 3600:.2f}",
                f"{far.share:.1%}", far.failed,
                one.golden and f"en {one.golden.en:.2f}, zh {one.golden.zh:.2f}",
                one.activated_us and f"{rfc3339(one.activated_us)[:19]}Z",
            )
            for one, far in stand
        ],
    )  # fmt: skip
    for one, _ in stand:
        if (refusal := one.refusal()) is not None:
            click.echo(f"! {refusal}")


@command.command(
    name="use",
    cls=HindsightCommand,
    help=N_(
        "Switch to another model. Its index is built beside the old one, which answers meanwhile."
    ),
    example="hindsight model use xlm-roberta-base-ViT-B-32\n"
    "hindsight model use ViT-B-16-SigLIP2 --checkpoint siglip2.safetensors",
)
@click.argument("name")
@click.option(
    "--checkpoint",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help=N_("local weights (safetensors) instead of a download"),
)
@click.option(
    "--anyway", is_flag=True, help=N_("switch to it however badly it answers golden queries")
)
@json_option
@pass_invocation
def use(
    invocation: Invocation, name: str, checkpoint: Path | None, anyway: bool, as_json: bool
) -> None:
    """Load it, so that what cannot work fails now, and let the ledger say so."""
    from indexer.succession import (
        assess,
        golden_warnings,
        is_shipped,
        switch_if_complete,
        use_model,
    )

    directory = invocation.directory
    lane = use_model(directory, name, checkpoint, anyway=anyway, actor=invocation.actor())
    generation, said = lane.generation, []
    if generation.state == "building" or not is_shipped(name, checkpoint):
        said = golden_warnings(assess(directory, generation, [lane.embedder]))
    generation = switch_if_complete(directory, [lane.embedder]) or generation
    with directory.ledger.read() as tx:
        count, duration_us = generations.pending(tx, generation.id)
        standing = standings.standing(tx, generation.id)
    if as_json:
        invocation.json(
            {
                "model": generation.model,
                "generation": generation.number,
                "dimension": generation.dimension,
                "state": generation.state,
                "pending_segments": count,
                "pending_s": duration_us / US,
                "golden": standing.golden and standing.golden.document(),
                "refused": standing.refusal(),
            }
        )
        return
    if generation.state == "active":
        invocation.say(
            "{model} is in use (generation {number}); {hours:.2f} h of footage ({segments}"
            " segments) wait for `hindsight index`",
            model=generation.model, number=generation.number,
            hours=duration_us / US / 3600, segments=count,
        )  # fmt: skip
    elif standing.refusal() is not None:
        invocation.say(
            "generation {number} of {model} is built beside the old one: {hours:.2f} h of footage"
            " ({segments} segments) to index with `hindsight index`",
            model=generation.model, number=generation.number,
            hours=duration_us / US / 3600, segments=count,
        )  # fmt: skip
    else:
        invocation.say(
            "{model} will answer once generation {number} is complete: {hours:.2f} h of footage"
            " ({segments} segments) to index again with `hindsight index`; the old one answers"
            " meanwhile",
            model=generation.model, number=generation.number,
            hours=duration_us / US / 3600, segments=count,
        )  # fmt: skip
    if warning := model_warning(generation):
        said.append(warning)
    for line in said:
        click.echo(line, err=True)


@command.command(
    name="rollback",
    cls=HindsightCommand,
    help=N_(
        "Let the generation that answered before answer again, at once. The present one is kept;"
        " footage recorded since the switch is then indexed by `hindsight index`, newest first."
    ),
    example="hindsight model rollback",
)
@json_option
@pass_invocation
def roll_back(invocation: Invocation, as_json: bool) -> None:
    """One transaction; then say what the other one has not seen."""
    from indexer.succession import rollback

    directory = invocation.directory
    generation = rollback(directory, invocation.actor())
    with directory.ledger.read() as tx:
        count, duration_us = generations.pending(tx, generation.id)
    if as_json:
        invocation.json(
            {
                "model": generation.model, "generation": generation.number,
                "state": generation.state, "pending_segments": count,
                "pending_s": duration_us / US,
            }
        )  # fmt: skip
        return
    invocation.say(
        "{model} (generation {number}) answers again; {hours:.2f} h of footage ({segments}"
        " segments) that it has not seen wait for `hindsight index`",
        model=generation.model, number=generation.number,
        hours=duration_us / US / 3600, segments=count,
    )  # fmt: skip


@command.command(
    name="eval",
    cls=HindsightCommand,
    help=N_(
        "How well the model in use finds captioned pictures: mAP over tag queries and"
        " caption→crop recall, English and Chinese apart, and how far the two agree. Pictures of"
        " clips it was trained with are left out."
    ),
    example="hindsight model eval --captions captions/",
)
@click.option(
    "--captions",
    type=click.Path(path_type=Path),
    default=Path("captions"),
    metavar="DIR",
    help=N_("directory with captions.jsonl and crops/ (default: ./captions)"),
)
@click.option("--model", metavar="NAME", help=N_("evaluate this model instead; nothing changes"))
@click.option(
    "--checkpoint",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help=N_("local weights (safetensors) for --model"),
)
@click.option(
    "--made",
    is_flag=True,
    help=N_("also scenes made on the spot, never seen in training: mAP by attribute"),
)
@click.option("--all", "every", is_flag=True, help=N_("also pictures the model was trained with"))
@json_option
@pass_invocation
def evaluate_model(
    invocation: Invocation,
    captions: Path,
    model: str | None,
    checkpoint: Path | None,
    made: bool,
    every: bool,
    as_json: bool,
) -> None:
    """Embed all, rank, print."""
    from indexer.embedder import load_embedder
    from indexer.evaluation import FIRST, LANGUAGES, evaluate, never_taught, read_captions

    if checkpoint is not None and model is None:
        raise click.UsageError(tr("--checkpoint needs --model"))
    known = read_captions(captions)
    if model is not None:
        embedder = load_model(model, checkpoint)
    else:
        embedder = load_embedder(invocation.directory)
    fair = never_taught(known, embedder.taught_clips)
    pictures = known if every or not fair else fair
    with invocation.progress() as bar:
        task = bar.add_task(tr("embedding"), total=len(pictures))
        found = evaluate(embedder, pictures, lambda count: bar.advance(task, count))
        examined = _examine(embedder, bar) if made else None
    document: dict[str, Any] = {lang: found.scores[lang].document() for lang in LANGUAGES}
    document |= {
        "pictures": found.pictures, "model": embedder.model, "tags": found.tags,
        "chance": found.chance.document(), "parity": found.parity.document(),
        "left_out": len(known) - len(pictures), "taught": len(pictures) - len(fair),
    }  # fmt: skip
    if examined is not None:
        document["made"] = examined.document()
    if as_json:
        invocation.json(document)
        return
    _show_evaluation(invocation, document)
    invocation.say(
        "the same question in English and in Chinese: {overlap:.0%} of the first {first} pictures"
        " are the same ({queries} questions; by chance {chance:.0%})",
        overlap=found.parity.overlap, first=min(FIRST, found.pictures),
        queries=found.parity.queries, chance=found.parity.chance,
    )  # fmt: skip
    if examined is not None:
        _show_examined(invocation, document["made"])
    if not embedder.meaningful:
        click.echo(tr(UNTRAINED), err=True)


def _examine(embedder: Embedder, bar: Progress) -> Examined:
    from indexer.nano.examination import SCENES, examine

    task = bar.add_task(tr("making scenes"), total=SCENES)
    return examine(embedder, progress=lambda: bar.advance(task, 1))


def _show_examined(invocation: Invocation, made: dict[str, Any]) -> None:
    """mAP over claims about made scenes, by what the claims are about."""
    invocation.say(
        "scenes made on the spot: {pictures} pictures, {claims} claims",
        pictures=made["pictures"], claims=made["claims"],
    )  # fmt: skip
    names = {
        "kind": tr("what it is"), "colour": tr("its colour"), "deed": tr("what people do"),
        "place": tr("where"), "light": tr("light"), "weather": tr("weather"),
        "event": tr("events"), "density": tr("how crowded"), "view": tr("from where"),
    }  # fmt: skip
    rows = [(names[group], row) for group, row in made["groups"].items()]
    invocation.table(
        [N_("claims about"), N_("English"), N_("Chinese"), N_("by chance")],
        [
            (name, *(f"{row[key]:.3f}" for key in ("en", "zh", "chance")))
            for name, row in [
                *rows,
                (tr("all claims"), made["map"]),
                (tr("all, of crops alone"), made["crops"]),
            ]
        ],
    )


def _show_evaluation(invocation: Invocation, document: dict[str, Any]) -> None:
    """The figures, and how fair they are."""
    invocation.say(
        "{model}: {pictures} pictures, {tags} tag queries",
        model=document["model"], pictures=document["pictures"], tags=document["tags"],
    )  # fmt: skip
    if document["left_out"]:
        invocation.say(
            "{count} pictures of clips the model was trained with are left out; `--all` takes"
            " them in",
            count=document["left_out"],
        )
    if document["taught"]:
        invocation.say(
            "{count} of these pictures are of clips the model was trained with and were not left"
            " out: the figures flatter it",
            count=document["taught"],
        )
    names = {"en": tr("English"), "zh": tr("Chinese"), "chance": tr("by chance")}
    invocation.table(
        [N_("queries"), "mAP", *(key.upper() for key in document["en"] if key != "map")],
        [
            (name, *(f"{figure:.3f}" for figure in document[key].values()))
            for key, name in names.items()
        ],
    )


def _rows(
    directory: DataDirectory,
) -> tuple[list[dict[str, Any]], list[tuple[Standing, Extent]]]:
    """The choice, then models the ledger knows beside it, each with its generations; and all
    generations, oldest first."""
    with directory.ledger.read() as tx:
        far = standings.progress(tx)
        stand = [(one, far[one.generation.id]) for one in standings.standings(tx)]
    latest: dict[str, Generation] = {}
    of: dict[str, list[dict[str, Any]]] = {}
    for one, how_far in stand:
        generation = one.generation
        of.setdefault(generation.model, []).append(standings.standing_document(one, how_far))
        # One that answers or is built is the one in use; else the last.
        if generation.state != "retired" or latest.get(generation.model, generation).state == (
            "retired"
        ):
            latest[generation.model] = generation
    rows: list[dict[str, Any]] = []
    for choice in CHOICES:
        known = latest.pop(choice.name, None)
        rows.append(
            {
                "model": choice.name,
                "languages": choice.languages,
                "dimension": choice.dimension,
                "size_mb": round(choice.parameters_m * 4),
                "state": known and known.state,
                "generation": known and known.number,
                "meaningful": known.meaningful if known else is_trained(choice.name),
                "why": tr(choice.argument),
                "generations": of.get(choice.name, []),
            }
        )
    for known in latest.values():
        rows.append(
            {
                "model": known.model,
                "languages": None,
                "dimension": known.dimension,
                "size_mb": None,
                "state": known.state,
                "generation": known.number,
                "meaningful": known.meaningful,
                "why": None,
                "generations": of[known.model],
            }
        )
    return rows, stand
