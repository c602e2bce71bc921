"""Makes nano's weights: `python -m indexer.nano.train --out DIR`.

Builds the corpus (kept in DIR/corpus), trains (state in DIR/state.pt; started again it goes on),
and writes nano.safetensors, lexicon.json and clips.json. Same seed, same machine: same weights.
"""

from __future__ import annotations

import json
import logging
import math
import os
import time
from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np
import open_clip
import torch
from safetensors.torch import save_file
from torch import Tensor

from indexer.embedder import NANO
from indexer.nano.batches import Batch, Batches, Stage
from indexer.nano.claims import claims
from indexer.nano.collage import collages
from indexer.nano.corpus import Part, build_pieces, read_part, write_piece
from indexer.nano.examination import UNSEEN
from indexer.nano.losses import Judge, Losses
from indexer.nano.real import HELD_OUT, cut_out, read_crops, squeezed
from indexer.scenes.arrays import seeded
from indexer.weights import NANO_DIR
from storage.errors import Conflict, HindsightError

SEED = 7  # of what ships
RATE, DECAY, WARM_UP = 2e-3, 0.08, 300
MEMORY = 0.998  # of the running mean of the weights, which is what ships
SHARES = {"real": 24, "collage": 44, "made": 60}  # of a batch
WITHOUT_REAL = {"made": 128}
# Of the steps, up to where; pixels; whether words come in. Seeing is learnt first, small and
# without words: five times as many pictures a second (docs/design/nano.md).
STAGES = ((0.62, 64, False), (0.76, 96, False), (0.93, 96, True), (1.0, 128, True))
SEEN_RATE = 0.4  # of the image tower, once words come in
ASKED = 120  # claims of a step
SAVE_EVERY, TELL_EVERY = 200, 50
log = logging.getLogger(__name__)


@click.command()
@click.option("--out", type=click.Path(path_type=Path), required=True, help="working directory")
@click.option("--captions", type=click.Path(path_type=Path), help="captioned crops, see docs")
@click.option("--footage", type=click.Path(path_type=Path), help="the clips of those crops")
@click.option("--steps", default=10_000, show_default=True)
@click.option("--scenes", default=1000, show_default=True, help="made scenes, 12 pictures each")
@click.option("--collages", "pieces", default=48, show_default=True, help="of 250 pictures")
@click.option("--seed", default=SEED, show_default=True)
@click.option("--until", type=int, help="pause after this step, to go on later")
@click.option("--device", default="cpu", show_default=True, help="cpu or cuda")
def main(
    out: Path, captions: Path | None, footage: Path | None, steps: int, scenes: int, pieces: int,
    seed: int, until: int | None, device: str,
) -> None:  # fmt: skip
    """Train nano from nothing."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s")
    log.setLevel(logging.INFO)
    if seed == UNSEEN:
        raise click.BadParameter(f"{seed} is the seed of the examination", param_hint="--seed")
    if (captions is None) != (footage is None):
        raise click.UsageError("--captions and --footage go together: crops are cut out of clips")
    try:
        parts, clips = build_corpus(out / "corpus", captions, footage, scenes, pieces, seed)
        network = train(out, parts, steps, seed, torch.device(device), until)
    except HindsightError as error:
        raise click.ClickException(str(error)) from None
    if network is not None:
        save(out, network, parts, clips)


def build_corpus(
    folder: Path, captions: Path | None, footage: Path | None, scenes: int, pieces: int, seed: int
) -> tuple[dict[str, Part], list[str]]:
    """Whatever of the corpus is missing; then all of it, and the names of the clips in it."""
    from indexer.nano.rendered import made_pictures

    jobs = len(os.sched_getaffinity(0))
    build_pieces(folder / "made", scenes, partial(made_pictures, seed), jobs)
    log.info("made scenes are ready")
    clips: list[str] = []
    if captions is not None and footage is not None:
        crops = [crop for crop in read_crops(captions) if crop.clip not in HELD_OUT]
        clips = sorted({crop.clip for crop in crops})
        if not (folder / "real" / "crops.npy").exists():
            write_piece(folder / "real" / "crops", ((squeezed(c), c.facts) for c in crops))
        if not all((folder / "collage" / f"{n:05d}.npy").exists() for n in range(pieces)):
            sprites, empties = cut_out(footage, crops)
            log.info("%d things cut out of %d clips", len(sprites), len(empties))
            build_pieces(
                folder / "collage", pieces, partial(collages, sprites, empties, seed), jobs
            )
    else:
        log.info("no captioned crops named: training on made scenes alone")
    parts = {name: read_part(folder / name) for name in SHARES}
    log.info("corpus: %s", {name: len(part.facts) for name, part in parts.items()})
    return parts, clips


def train(
    out: Path, parts: dict[str, Part], steps: int, seed: int, device: torch.device,
    until: int | None = None,
) -> torch.nn.Module | None:  # fmt: skip
    """Train, or go on; the running mean of the weights at the end, None when `until` paused it.

    Conflict: the state in `out` is of other settings.
    """
    torch.manual_seed(seed)
    shares = SHARES if len(parts["real"].facts) else WITHOUT_REAL
    batches = Batches([(parts[name], share) for name, share in shares.items()], seed)
    network = build().to(memory_format=torch.channels_last).to(device)
    judge = Judge(torch.from_numpy(batches.positives()), features_of(network)).to(device)
    kept = {key: value.detach().clone() for key, value in network.state_dict().items()}
    optimiser = _optimiser(network, judge)
    settings = {"steps": steps, "seed": seed, "pictures": [len(p.facts) for p in parts.values()]}
    first = 0
    state_file = out / "state.pt"
    if state_file.exists():
        state = torch.load(state_file, map_location=device, weights_only=True)
        if state["settings"] != settings:
            raise Conflict(
                "{file} is of a training with {settings}; name another --out to begin anew",
                file=state_file, settings=state["settings"],
            )  # fmt: skip
        network.load_state_dict(state["network"])
        judge.load_state_dict(state["judge"])
        optimiser.load_state_dict(state["optimiser"])
        kept, first = state["kept"], state["step"]
    words = Wordings(device)
    began, means = time.monotonic(), np.zeros(4)
    stages = [Stage(max(1, round(steps * end)), size, speaks) for end, size, speaks in STAGES]
    last = steps if until is None else min(until, steps)
    for step, (stage, batch) in enumerate(batches.run(first, last, stages), first):
        _set_rates(optimiser, step, stages)
        losses = _losses(network, judge, stage, batch, words, seeded(seed, "words", step), device)
        optimiser.zero_grad(set_to_none=True)
        losses.total.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 3.0)
        optimiser.step()
        with torch.no_grad():
            memory = min(MEMORY, (step + 1) / (step + 10))
            for key, value in network.state_dict().items():
                if value.is_floating_point():
                    kept[key].lerp_(value, 1 - memory)
                else:
                    kept[key].copy_(value)
        now = (losses.see, losses.claim, losses.find, losses.parity)
        means += [float(loss.detach()) for loss in now]
        if (step + 1) % TELL_EVERY == 0:
            pace = (step + 1 - first) / (time.monotonic() - began)
            log.info(
                "step %d of %d: see %.3f, claims %.3f, find %.3f, parity %.3f; %.2f steps/s",
                step + 1, steps, *(means / TELL_EVERY), pace,
            )  # fmt: skip
            means[:] = 0
        if (step + 1) % SAVE_EVERY == 0 or step + 1 == last:
            state = {
                "network": network.state_dict(), "judge": judge.state_dict(), "kept": kept,
                "optimiser": optimiser.state_dict(), "step": step + 1, "settings": settings,
            }  # fmt: skip
            aside = out / ".state.pt"
            torch.save(state, aside)
            aside.rename(state_file)
    if last < steps:
        log.info("paused at step %d of %d; the same command without --until goes on", last, steps)
        return None
    network.load_state_dict(kept)
    return network.eval()


def build() -> torch.nn.Module:
    """The empty network, of nano's own configuration; initialised by torch's seed."""
    if NANO not in open_clip.list_models():
        open_clip.add_model_config(NANO_DIR / "nano.json")
    network: torch.nn.Module = open_clip.create_model(NANO, load_weights=False)
    return network


def save(out: Path, network: torch.nn.Module, parts: dict[str, Part], clips: list[str]) -> None:
    """The three files that ship: weights in half precision, lexicon, clips trained on."""
    from indexer.nano.vocabulary import lexicon

    half = {
        key: (value.half() if value.is_floating_point() else value).cpu().contiguous()
        for key, value in network.state_dict().items()
    }
    save_file(half, out / "nano.safetensors")
    told = json.dumps(lexicon(parts["real"].facts), ensure_ascii=False, indent=0)
    (out / "lexicon.json").write_text(told + "\n", encoding="utf-8")
    (out / "clips.json").write_text(json.dumps(clips, indent=0) + "\n", encoding="utf-8")
    log.info("wrote nano.safetensors, lexicon.json and clips.json to %s", out)


class Wordings:
    """Tokens of texts, and of one wording of every claim in each language."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._tokenizer = open_clip.get_tokenizer(NANO)
        self._kept: dict[str, Tensor] = {}

    def claims(self, rng: np.random.Generator, asked: list[int]) -> tuple[Tensor, Tensor]:
        """Of the claims of those numbers: half of the time the usual wording, else another."""
        chosen: tuple[list[str], list[str]] = ([], [])
        every = claims()
        for claim in (every[number] for number in asked):
            for texts, into in zip((claim.en, claim.zh), chosen, strict=True):
                usual = rng.random() < 0.5
                into.append(texts[0] if usual else texts[int(rng.integers(len(texts)))])
        return self.tokens(chosen[0]), self.tokens(chosen[1])

    def tokens(self, texts: list[str]) -> Tensor:
        """(n, longest) tokens: the padding that all share is cut off, it only costs time."""
        for text in texts:
            if text not in self._kept:
                self._kept[text] = self._tokenizer([text])[0]
        stacked = torch.stack([self._kept[text] for text in texts])
        longest = int((stacked != 0).sum(dim=1).max())
        return stacked[:, :longest].to(self.device)


def encode_texts(network: Any, tokens: Tensor) -> Tensor:
    """Unit vectors (n, d) of tokens shorter than the context."""
    tower = network.text
    whole = tower.attn_mask
    try:
        tower.attn_mask = whole[: tokens.shape[1], : tokens.shape[1]]
        vectors: Tensor = torch.nn.functional.normalize(tower(tokens).float(), dim=-1)
    finally:
        tower.attn_mask = whole
    return vectors


def prepare(pictures: np.ndarray[Any, Any], device: torch.device) -> Tensor:
    """uint8 (n, h, w, 3) → what the image tower takes, as `preprocess.json` says."""
    settings = json.loads((NANO_DIR / "preprocess.json").read_bytes())
    mean, std = (torch.tensor(settings[key], device=device) for key in ("mean", "std"))
    images = torch.from_numpy(pictures).to(device).float() / 255
    return ((images - mean) / std).permute(0, 3, 1, 2)  # channels last in memory


def look(network: Any, images: Tensor) -> tuple[Tensor, Tensor]:
    """Features (n, f) of the image tower, and the unit vectors (n, d) it makes of them."""
    tower = network.visual
    features = tower.trunk.forward_head(tower.trunk.forward_features(images), pre_logits=True)
    vectors = tower.head(tower.trunk.get_classifier()(features))
    return features, torch.nn.functional.normalize(vectors.float(), dim=-1)


def features_of(network: Any) -> int:
    """How many features the image tower has."""
    return int(network.visual.trunk.num_features)


def _losses(
    network: Any, judge: Judge, stage: Stage, batch: Batch, words: Wordings,
    rng: np.random.Generator, device: torch.device,
) -> Losses:  # fmt: skip
    network.train()
    images = prepare(batch.pictures, device)
    labels = torch.from_numpy(batch.labels).to(device)
    nothing = torch.zeros((), device=device)
    with torch.autocast(device.type, torch.bfloat16):
        features, seen = look(network, images)
        if not stage.speaks:
            return Losses(judge.see(features, labels), nothing, nothing, nothing)
        numbers = sorted(rng.permutation(len(claims()))[:ASKED].tolist())
        said = [words.tokens([getattr(one, lang) for one in batch.said]) for lang in ("en", "zh")]
        asked = [encode_texts(network, tokens) for tokens in words.claims(rng, numbers)]
        told = [encode_texts(network, tokens) for tokens in said]
    losses: Losses = judge(
        features.float(), seen, (asked[0], asked[1]), (told[0], told[1]), labels,
        torch.from_numpy(batch.rivals).to(device),
        torch.tensor(numbers, device=device), torch.tensor(batch.spoken, device=device),
    )  # fmt: skip
    return losses


def _optimiser(network: Any, judge: Judge) -> torch.optim.Optimizer:
    """AdamW; only matrices decay. Groups know whether they are of the image tower."""
    visual = {id(value) for value in network.visual.parameters()}
    groups = []
    for seeing in (True, False):
        own = [p for p in network.parameters() if (id(p) in visual) == seeing]
        wide = [p for p in own if p.ndim >= 2]
        flat = [p for p in own if p.ndim < 2] + ([] if seeing else list(judge.parameters()))
        groups.append({"params": wide, "weight_decay": DECAY, "seeing": seeing})
        groups.append({"params": flat, "weight_decay": 0.0, "seeing": seeing})
    return torch.optim.AdamW(groups, lr=RATE, betas=(0.9, 0.98))


def _set_rates(optimiser: torch.optim.Optimizer, step: int, stages: list[Stage]) -> None:
    """Up and down along a cosine while only seeing is learnt, and again once words come in."""
    turn = max((one.end for one in stages if not one.speaks), default=0)
    speaking = step >= turn
    first, last = (turn, stages[-1].end) if speaking else (0, turn)
    pace = _pace(step - first, last - first)
    for group in optimiser.param_groups:
        share = SEEN_RATE if speaking and group["seeing"] else 1.0
        group["lr"] = RATE * share * pace


def _pace(step: int, steps: int) -> float:
    """Share of the full rate: up at first, then down along a cosine."""
    warm_up = min(WARM_UP, max(1, steps // 5))
    if step < warm_up:
        return (step + 1) / warm_up
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * (step - warm_up) / max(1, steps - warm_up)))


if __name__ == "__main__":
    main()
