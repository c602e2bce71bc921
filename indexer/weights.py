"""Where a model's weights come from: names, downloads, checkpoints; what is refused, and why."""

from __future__ import annotations

import difflib
import hashlib
import json
import logging
import threading
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import open_clip
import torch
from open_clip.transform import PreprocessCfg, image_transform_v2
from safetensors import SafetensorError, safe_open
from torch.overrides import TorchFunctionMode

from indexer.embedder import NANO
from indexer.hub import brief, fetch, hub
from indexer.lexicon import Lexicon
from storage.errors import DataLoss, Invalid, NotFound, Unavailable

NANO_DIR = Path(__file__).parent / "nano"
NANO_WEIGHTS = NANO_DIR / "nano.safetensors"
NANO_LEXICON = NANO_DIR / "lexicon.json"  # the words of the captions these were trained with
NANO_CLIPS = NANO_DIR / "clips.json"  # the clips whose pictures these were trained with
SEED = 20261124  # of the weights nano has before it is trained
# Of several trainings of one architecture, the first of these that fits it is the default:
# best zero-shot accuracy first, as open_clip's own table ranks them.
PREFERRED = (
    "webli", "dfn5b", "dfn2b_s39b", "dfn2b", "dfndr2b", "datacomp_xl", "datacomp1b",
    "metaclip_fullcc", "laion5b", "laion2b_s", "laion2b", "openai",
)  # fmt: skip
# open_clip splits preprocessing off the architecture; these belong to the training.
PREPROCESS_KEYS = ("mean", "std", "interpolation", "resize_mode")
# How the file of a torch checkpoint begins: a zip archive, or a bare pickle.
PICKLE_MAGIC = (b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
DRAWS = frozenset((
    torch.Tensor.normal_, torch.Tensor.uniform_, torch.Tensor.erfinv_, torch.Tensor.random_,
    torch.nn.init.normal_, torch.nn.init.uniform_, torch.nn.init.trunc_normal_,
    torch.nn.init.kaiming_uniform_, torch.nn.init.kaiming_normal_,
    torch.nn.init.xavier_uniform_, torch.nn.init.xavier_normal_,
))  # fmt: skip
log = logging.getLogger(__name__)
_seeding = threading.Lock()


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model in float32 with all that must stay together with it."""

    name: str
    network: torch.nn.Module
    transform: Callable[[Any], torch.Tensor]
    tokenizer: Callable[[list[str]], torch.Tensor]
    image_size: tuple[int, int]
    weights_hash: str  # SHA-256 over every tensor
    preprocess_hash: str  # SHA-256 over transform and tokenizer settings
    meaningful: bool
    lexicon: Lexicon | None = None  # None: it is not known which words were taught
    taught_clips: frozenset[str] = frozenset()  # file names


@dataclass(frozen=True, slots=True)
class Source:
    """What a name and a checkpoint come down to."""

    architecture: str
    tag: str | None  # of the published training, also when a local file replaces its weights
    file: Path | None  # local safetensors


def load_weights(name: str, checkpoint: Path | None, *, untrained: bool = False) -> Loaded:
    """Build the model and fill it. Errors: as `indexer.embedder.load_model`."""
    source = find_source(name, checkpoint, untrained=untrained)
    file = source.file
    if file is not None:
        check_checkpoint(file)
    elif source.tag is not None:
        file = fetch(source.architecture, source.tag)
    network, tokenizer = _build(source, filled=file is not None)
    if file is not None:
        _fill(network, file, source.architecture)
    weights_hash = hash_weights(network)
    # Twice as fast for convolutions on a CPU (185 against 83 pictures/s), no matter for others.
    network.eval().requires_grad_(False).to(memory_format=torch.channels_last)
    settings = PreprocessCfg(**network.visual.preprocess_cfg)
    shipped = file == NANO_WEIGHTS  # what lies beside them is said of no other weights
    size = settings.size if isinstance(settings.size, tuple) else (settings.size, settings.size)
    return Loaded(
        name=name,
        network=network,
        transform=image_transform_v2(settings, is_train=False),
        tokenizer=tokenizer,
        image_size=size,
        weights_hash=weights_hash,
        preprocess_hash=_hash_preprocessing(network, tokenizer, source),
        meaningful=file is not None,
        lexicon=_shipped_lexicon() if shipped else None,
        taught_clips=read_clips(NANO_CLIPS) if shipped else frozenset(),
    )


def find_source(name: str, checkpoint: Path | None, *, untrained: bool = False) -> Source:
    """Read a model name. NotFound with the nearest names when open_clip does not know it."""
    _register_nano()
    architecture, _, tag = name.partition("/")
    known = open_clip.list_models()
    if architecture not in known:
        near = difflib.get_close_matches(architecture, known, n=3, cutoff=0.4)
        raise NotFound(
            "model {model} is not known to open_clip; nearest: {nearest};"
            " `hindsight model list` shows a choice",
            model=name, nearest=", ".join(near or [NANO]),
        )  # fmt: skip
    if architecture == NANO and not tag:
        shipped = NANO_WEIGHTS if NANO_WEIGHTS.is_file() and not untrained else None
        return Source(NANO, None, checkpoint or shipped)
    tags = open_clip.list_pretrained_tags_by_model(architecture)
    if tag and tag not in tags:
        raise NotFound(
            "model {model} has no weights named {tag}; there are: {tags}",
            model=architecture, tag=tag, tags=", ".join(tags) or "-",
        )  # fmt: skip
    chosen = tag or default_tag(architecture, tags)
    if chosen is None and checkpoint is None:
        raise Invalid(
            "nobody published weights for {model}; name a file with `--checkpoint FILE`",
            model=architecture,
        )
    return Source(architecture, chosen, checkpoint)


def default_tag(architecture: str, tags: list[str]) -> str | None:
    """The published training that a bare architecture name stands for."""
    quick = open_clip.get_model_config(architecture).get("quick_gelu", False)
    fitting = [
        tag
        for tag in tags
        if open_clip.get_pretrained_cfg(architecture, tag).get("quick_gelu", False) == quick
    ]
    for wanted in PREFERRED:
        for tag in fitting:
            if tag.startswith(wanted):
                return tag
    return next(iter(fitting or tags), None)


def check_checkpoint(file: Path) -> None:
    """Look at a local checkpoint before any model is built. NotFound or Invalid says why not."""
    if not file.is_file():
        raise NotFound("checkpoint {file} does not exist; nothing was changed", file=file)
    with file.open("rb") as source:
        start = source.read(4)
    if start.startswith(PICKLE_MAGIC):
        raise Invalid(
            "checkpoint {file} is a pickle, which can run code when it is read; convert it to"
            " safetensors on a machine you trust",
            file=file,
        )
    if file.suffix != ".safetensors":  # open_clip goes by the name
        raise Invalid(
            "checkpoint {file} must be a .safetensors file; rename it if it is", file=file
        )
    try:
        with safe_open(file, framework="pt") as opened:
            empty = not opened.keys()
    except SafetensorError as error:
        raise Invalid(
            "checkpoint {file} is truncated or no safetensors file ({error}); copy it again",
            file=file, error=error,
        ) from None  # fmt: skip
    if empty:
        raise Invalid("checkpoint {file} holds no tensors", file=file)


def hash_weights(network: torch.nn.Module) -> str:
    """SHA-256 hex over names, types, shapes and bytes of every tensor: the same for the same
    weights, whatever file they came in."""
    digest = hashlib.sha256()
    for key, tensor in sorted(network.state_dict().items()):
        digest.update(f"{key}\0{tensor.dtype}\0{tuple(tensor.shape)}\0".encode())
        digest.update(tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def read_clips(file: Path) -> frozenset[str]:
    """Names of the clips a model was taught with, of a JSON list; none where there is no file.

    DataLoss when it cannot be read: an examination on pictures of the training would flatter.
    """
    if not file.is_file():
        return frozenset()
    try:
        return frozenset(map(str, json.loads(file.read_text(encoding="utf-8"))))
    except (OSError, ValueError, TypeError) as error:
        raise DataLoss(
            "the list of training clips {file} cannot be read ({error}); install this program"
            " again",
            file=file, error=error,
        ) from None  # fmt: skip


def _register_nano() -> None:
    if NANO not in open_clip.list_models():
        open_clip.add_model_config(NANO_DIR / "nano.json")


def _preprocessing(source: Source) -> dict[str, Any]:
    """Transform settings of the training: open_clip drops them when a local file is named."""
    if source.architecture == NANO:
        settings: dict[str, Any] = json.loads((NANO_DIR / "preprocess.json").read_bytes())
    elif source.tag is not None:
        settings = open_clip.get_pretrained_cfg(source.architecture, source.tag)
    else:
        settings = {}
    return {key: settings[key] for key in PREPROCESS_KEYS if settings.get(key) is not None}


class _WithoutDraws(TorchFunctionMode):
    """Leaves memory as it is where random numbers would be drawn."""

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func in DRAWS:
            return args[0] if args else kwargs["tensor"]  # torch.nn.init names it
        return func(*args, **kwargs)


def _build(source: Source, *, filled: bool) -> tuple[Any, Any]:
    """An empty model and its own tokenizer.

    `filled`: a checkpoint will give every number (it is loaded strictly), so none are drawn, which
    takes longer than all the rest for a large model. Else always initialised alike.
    """
    text = open_clip.get_model_config(source.architecture)["text_cfg"]
    needs_hub = any(key.startswith("hf_") for key in text)  # for its tokenizer or text tower
    root = logging.getLogger()
    root.addFilter(_not_chatter)
    try:
        # One at a time: the seed is of the whole process, and two threads that draw from it
        # would each get other weights than the index was made with.
        with (
            _seeding,
            hub() if needs_hub else nullcontext(),
            torch.random.fork_rng(devices=[]),
            _WithoutDraws() if filled else nullcontext(),
        ):
            torch.manual_seed(SEED)
            network = open_clip.create_model(
                source.architecture,
                load_weights=False,
                pretrained_text=False,
                force_quick_gelu=_quick_gelu(source),
                force_preprocess_cfg=_preprocessing(source),
            )
            if needs_hub:
                return network, open_clip.get_tokenizer(source.architecture)
            return network, _own_tokenizer(source.architecture)
    except Exception as error:  # of transformers, huggingface_hub, sentencepiece: many kinds
        if isinstance(error, MemoryError):
            raise
        raise Unavailable(
            "model {model} needs files or a package that are not here ({error}); go online once,"
            " or copy the Hugging Face cache of a machine that has them",
            model=source.architecture, error=brief(error),
        ) from error  # fmt: skip
    finally:
        root.removeFilter(_not_chatter)


@cache
def _own_tokenizer(architecture: str) -> Any:
    """That of open_clip itself, whose table of 49,000 merges takes a third of a second to read.
    One of the hub is made for each model: threads may not share it."""
    return open_clip.get_tokenizer(architecture)


@cache
def _shipped_lexicon() -> Lexicon | None:
    return Lexicon.read(NANO_LEXICON) if NANO_LEXICON.is_file() else None


def _fill(network: Any, file: Path, architecture: str) -> None:
    try:
        open_clip.load_checkpoint(network, str(file), strict=True, weights_only=True)
    except Exception as error:  # open_clip's converters fail on foreign keys in many ways
        if isinstance(error, MemoryError):
            raise
        log.debug("checkpoint %s does not fit %s: %s", file, architecture, error)
        raise Invalid(
            "checkpoint {file} is not one of {model} ({error}); name the architecture it was"
            " trained as",
            file=file, model=architecture, error=brief(error),
        ) from None  # fmt: skip


def _quick_gelu(source: Source) -> bool:
    """Whether the training used the faster activation: the wrong one looks like a bad model."""
    if source.tag is None:
        return False
    settings = open_clip.get_pretrained_cfg(source.architecture, source.tag)
    return bool(settings.get("quick_gelu", False))


def _hash_preprocessing(network: Any, tokenizer: Any, source: Source) -> str:
    text = open_clip.get_model_config(source.architecture)["text_cfg"]
    facts = {
        "transform": network.visual.preprocess_cfg,
        "tokenizer": type(tokenizer).__name__,
        "context": tokenizer.context_length,
        "text": {key: text[key] for key in sorted(text) if "token" in key},
        "quick_gelu": _quick_gelu(source),
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _not_chatter(record: logging.LogRecord) -> bool:
    """open_clip warns on the root logger that a model has no weights before we fill it."""
    return record.levelno >= logging.ERROR or "open_clip" not in record.pathname
