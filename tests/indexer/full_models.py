"""Makes what the full models need of the hub, in their true sizes: published files cannot be had
offline, so the configuration, the tokenizer and the weights are made on the spot."""

from __future__ import annotations

import json
from pathlib import Path

import open_clip
import torch
from safetensors.torch import save_file
from tokenizers import (
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)

SENTENCES = [
    "a white van on a wet road",
    "湿路面上的白色面包车",
    "两个人在路口",
    "a person with a bag",
]
# As published with the models, for towers that open_clip takes from transformers.
TOWERS = {
    "xlm-roberta-base": (768, 12, 12, 3072),  # width, layers, heads, inner width
    "xlm-roberta-large": (1024, 24, 16, 4096),
}


def make_hub(folder: Path) -> None:
    """Lay out a Hugging Face cache that holds all that is not weights."""
    for name, (width, layers, heads, inner) in TOWERS.items():
        config = {
            "model_type": "xlm-roberta", "architectures": ["XLMRobertaForMaskedLM"],
            "hidden_size": width, "num_hidden_layers": layers, "num_attention_heads": heads,
            "intermediate_size": inner, "vocab_size": 250002, "max_position_embeddings": 514,
            "type_vocab_size": 1, "layer_norm_eps": 1e-05, "hidden_act": "gelu",
            "bos_token_id": 0, "pad_token_id": 1, "eos_token_id": 2,
        }  # fmt: skip
        specials = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
        settings = {
            "tokenizer_class": "XLMRobertaTokenizer", "bos_token": "<s>", "eos_token": "</s>",
            "unk_token": "<unk>", "pad_token": "<pad>", "cls_token": "<s>", "sep_token": "</s>",
            "mask_token": "<mask>", "model_max_length": 512,
        }  # fmt: skip
        _repository(folder, name, config, settings, _unigram(specials))
    settings = {
        "tokenizer_class": "GemmaTokenizer", "bos_token": "<bos>", "eos_token": "<eos>",
        "unk_token": "<unk>", "pad_token": "<pad>", "model_max_length": 64,
        "add_bos_token": False, "add_eos_token": True, "padding_side": "right",
    }  # fmt: skip
    _repository(folder, "timm/ViT-B-16-SigLIP2", {"model_type": "siglip2"}, settings, _gemma())


def _repository(
    folder: Path, name: str, config: dict[str, object], settings: dict[str, object],
    tokenizer: Tokenizer,
) -> None:  # fmt: skip
    root = folder / f"models--{name.replace('/', '--')}"
    commit = "0" * 40
    files = root / "snapshots" / commit
    files.mkdir(parents=True)
    (root / "refs").mkdir()
    (root / "refs" / "main").write_text(commit)
    (files / "config.json").write_text(json.dumps(config))
    (files / "tokenizer_config.json").write_text(json.dumps(settings))
    tokenizer.save(str(files / "tokenizer.json"))


def _unigram(specials: list[str]) -> Tokenizer:
    """As XLM-RoBERTa has it."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=120, special_tokens=specials, unk_token="<unk>", show_progress=False
    )
    tokenizer.train_from_iterator(SENTENCES * 20, trainer)
    return tokenizer


def _gemma() -> Tokenizer:
    """As Gemma has it: pairs of characters, bytes for what is unknown, an end but no beginning."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    specials = ["<pad>", "<eos>", "<bos>", "<unk>"]
    bytes_ = [f"<0x{byte:02X}>" for byte in range(256)]
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=specials + bytes_, show_progress=False
    )
    tokenizer.train_from_iterator(SENTENCES * 20, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A <eos>", pair="$A <eos> $B <eos>", special_tokens=[("<eos>", 1)]
    )
    return tokenizer


def make_checkpoint(architecture: str, file: Path) -> None:
    """Weights of an architecture in half precision.

    Cheap noise: the shapes come from the network without memory, the numbers from one block that
    is repeated. Enough for other numbers at every place that a mistake could mix up.
    """
    with torch.device("meta"):
        network = open_clip.create_model(
            architecture, load_weights=False, pretrained_text=False, device="meta"
        )
    noise = torch.randn(1_000_003, generator=torch.Generator().manual_seed(len(architecture)))
    state = {}
    for number, (key, value) in enumerate(network.state_dict().items()):
        if not value.is_floating_point():
            state[key] = _counting(value)
            continue
        count = value.numel()
        block = noise.roll(number * 101)[: min(count, len(noise))].half() * 0.03
        if value.ndim < 2:  # offsets near 0, scales and variances near 1
            block = block + (0.0 if key.endswith("bias") or "mean" in key else 1.0)
        filled = block.repeat(count // len(block) + 1)[:count] if count else block
        state[key] = filled.reshape(value.shape).contiguous()
    save_file(state, file)


def _counting(value: torch.Tensor) -> torch.Tensor:
    """Position numbers, or how many batches were seen."""
    if value.ndim == 0:
        return torch.tensor(1, dtype=value.dtype)
    return torch.arange(value.numel(), dtype=value.dtype).reshape(value.shape)
