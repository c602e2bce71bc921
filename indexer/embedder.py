"""The embedder: pictures and words → vectors of one open_clip model, with that model's identity.

torch and open_clip take seconds to import, so they are imported when a model is loaded.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from storage.errors import Conflict, Unavailable
from storage.i18n import N_, tr

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import torch

    from indexer.weights import Loaded
    from storage.directory import DataDirectory
    from storage.vocabulary import Generation

    Picture = npt.NDArray[np.uint8]  # (height, width, 3) RGB
    Vectors = npt.NDArray[np.float32]  # (n, dimension), L2-normalised

NANO = "nano"
UNTRAINED = N_(
    "the default model is not trained yet: answers are not meaningful;"
    " `hindsight model use NAME` switches"
)
SMALL = N_(
    "the small default model nano answers: it knows simple street scenes only;"
    " `hindsight model use NAME` switches to a full model, downloaded when online, or offline"
    " with `--checkpoint FILE`"
)


class Embedder:
    """One loaded model. Safe to call from several threads.

    `model` as people name it, `weights_hash` and `preprocess_hash` (SHA-256 hex) say which
    vectors may be compared, `dimension` is their length, `precision` is 'float32' or 'bfloat16'
    (not part of the identity: the self-check holds both to cosine ≥ 0.999), `device` 'cpu' or
    'cuda': the same code either way, but no GPU was there to try it. `meaningful` is
    False for weights that were never trained. `taught_clips`: file names of the clips whose
    pictures it was trained with, where that is known.
    """

    def __init__(
        self, loaded: Loaded, network: torch.nn.Module, precision: str, device: str = "cpu"
    ) -> None:
        self.model = loaded.name
        self.weights_hash = loaded.weights_hash
        self.preprocess_hash = loaded.preprocess_hash
        self.meaningful = loaded.meaningful
        self.taught_clips = loaded.taught_clips
        self.precision = precision
        self.device = device
        self._lexicon = loaded.lexicon
        self._network: Any = network
        self._transform = loaded.transform
        self._tokenizer = loaded.tokenizer
        self._tokenizing = threading.Lock()  # fast tokenizers are not safe across threads
        self.dimension = self.embed_texts(["."]).shape[1]

    def prepare(self, picture: Picture) -> torch.Tensor:
        """One RGB picture of any size → what the image tower takes, by the model's transform.

        Small (about 0.6 MB at 224 pixels) where the picture may be 25 MB: batches keep this.
        """
        from PIL import Image

        tensor: torch.Tensor = self._transform(Image.fromarray(picture))
        return tensor

    def embed_prepared(self, prepared: Sequence[torch.Tensor]) -> Vectors:
        """Vectors (n, dimension) of prepared pictures, embedded as one batch."""
        import torch

        if not prepared:
            return self._nothing()
        with torch.inference_mode():
            batch = torch.stack(list(prepared)).to(self.device, self._dtype())
            return _normalised(self._network.encode_image(batch))

    def embed_images(self, pictures: Sequence[Picture]) -> Vectors:
        """Vectors (n, dimension) of RGB uint8 pictures of any size."""
        return self.embed_prepared([self.prepare(picture) for picture in pictures])

    def embed_texts(self, texts: Sequence[str]) -> Vectors:
        """Vectors (n, dimension) of texts, cut to the model's context by its own tokenizer."""
        import torch

        if not texts:
            return self._nothing()
        with self._tokenizing:
            tokens = self._tokenizer(list(texts))
        with torch.inference_mode():
            return _normalised(self._network.encode_text(tokens.to(self.device)))

    def unknown_words(self, text: str) -> list[str]:
        """Content words of a question that the model was never taught; none where that is not
        known, as of full models, which have seen nearly every word."""
        return [] if self._lexicon is None else self._lexicon.unknown(text)

    def _dtype(self) -> torch.dtype:
        import torch

        return torch.bfloat16 if self.precision == "bfloat16" else torch.float32

    def _nothing(self) -> Vectors:
        import numpy as np

        return np.empty((0, self.dimension), np.float32)


def load_embedder(directory: DataDirectory, generation: Generation | None = None) -> Embedder:
    """The embedder of `generation`; of the active one when None; of the settings before any.

    Takes seconds and memory: keep it, and load again when the active generation changes.
    Conflict when the files of the model are no longer those that made the generation's vectors:
    comparing with them would give wrong hits (invariant 8). Else as `load_model`.
    """
    from storage.generations import active_generation, checkpoint_of

    settings = directory.settings.indexer
    with directory.ledger.read() as tx:
        generation = generation or active_generation(tx)
        named = checkpoint_of(tx, generation.id) if generation else None
    verdicts = directory.cache / "precision"
    if generation is None:
        return load_model(
            settings.model, settings_checkpoint(directory), settings.threads, verdicts=verdicts,
            device=settings.device,
        )  # fmt: skip
    embedder = load_model(
        generation.model,
        Path(named) if named else None,
        settings.threads,
        verdicts=verdicts,
        untrained=generation.model == NANO and not generation.meaningful,
        device=settings.device,
    )
    same = (generation.weights_hash, generation.preprocess_hash)
    if (embedder.weights_hash, embedder.preprocess_hash) != same:
        raise Conflict(
            "the files of model {model} are not those that made its index generation {number};"
            " put them back, or run `hindsight index` to build a new generation",
            model=generation.model, number=generation.number,
        )  # fmt: skip
    return embedder


def load_model(
    name: str,
    checkpoint: Path | None = None,
    threads: int = 0,
    *,
    verdicts: Path | None = None,
    untrained: bool = False,
    device: str = "cpu",
) -> Embedder:
    """Load `name`: 'nano', an open_clip architecture, or ARCHITECTURE/PRETRAINED.

    `checkpoint`: local safetensors instead of published weights. `threads`: CPU threads for this
    whole process, 0 for all cores. `verdicts`: folder that remembers the bfloat16 self-check.
    `untrained`: nano's seeded weights even where trained ones are shipped, to answer from a
    generation that they made. `device`: 'cpu', 'cuda', or 'auto': a GPU when there is one.

    NotFound: unknown name (nearest ones are named) or missing file. Invalid: a pickle, a damaged
    file, or one of another architecture. Unavailable: a download failed, or no GPU is there.
    """
    import os

    # Idle threads sleep instead of spinning: beside a busy recorder, spinning ones made small
    # operations 40 times slower. Read when torch is loaded, hence before the import.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    import torch

    from indexer.precision import choose_precision
    from indexer.weights import load_weights

    torch.set_num_threads(threads or len(os.sched_getaffinity(0)))
    loaded = load_weights(name, checkpoint, untrained=untrained)
    found = _device(device)
    network, precision = choose_precision(loaded, verdicts, found)
    return Embedder(loaded, network, precision, found)


def _device(wanted: str) -> str:
    import torch

    if wanted == "cpu" or (wanted == "auto" and not torch.cuda.is_available()):
        return "cpu"
    if not torch.cuda.is_available():
        raise Unavailable(
            "[indexer] device is cuda, but PyTorch finds no GPU; set it to auto, or see to the"
            " driver"
        )
    return "cuda"


def settings_checkpoint(directory: DataDirectory) -> Path | None:
    """The local weights that the settings name; a relative path starts at the data directory."""
    named = directory.settings.indexer.checkpoint
    return None if named is None else directory.root / named


def model_warning(generation: Generation | None) -> str | None:
    """One line for people, in their language: what to expect of the model; None of a full one.

    An alarm while answers mean nothing, a mere note (`generation.meaningful`) of the small model.
    """
    if generation is None:
        return None
    if not generation.meaningful:
        return tr(UNTRAINED)
    return tr(SMALL) if generation.model == NANO else None


def _normalised(features: torch.Tensor) -> Vectors:
    import torch

    # In float32: unit length in bfloat16 is off by up to 0.4 %.
    vectors: Vectors = torch.nn.functional.normalize(features.float(), dim=-1).cpu().numpy()
    return vectors
