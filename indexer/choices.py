"""The short, argued choice of models: which to take for what."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from storage.i18n import N_


@dataclass(frozen=True, slots=True)
class Choice:
    """A model worth choosing, as `hindsight model list` shows it."""

    name: str
    languages: str
    dimension: int
    parameters_m: float  # millions; 4 bytes each in float32, 2 in bfloat16
    argument: str  # English message id


def is_trained(name: str) -> bool:
    """Whether answers of a model mean anything; nano's weights could be left out of a package."""
    return name != "nano" or (Path(__file__).parent / "nano" / "nano.safetensors").is_file()


# Retrieval figures: Crossmodal-3600 text→image recall, per cent, English / Chinese, from the
# table of immich.app/docs/features/searching; accuracy: ImageNet zero-shot from open_clip's table.
CHOICES = (
    Choice(
        "nano", "en, zh", 256, 14,
        N_("ships inside, works offline, runs anywhere; a small vocabulary of street scenes"),
    ),
    Choice(
        "xlm-roberta-base-ViT-B-32", "en, zh, 100+", 512, 366,
        N_("the one to begin with: Chinese 72, English 68 (Crossmodal-3600), fast on a CPU"),
    ),
    Choice(
        "ViT-B-16-SigLIP2", "en, zh, 100+", 768, 375,
        N_("finer detail than ViT-B-32, stronger in English; Chinese 64; four times the work"),
    ),
    Choice(
        "MobileCLIP2-S2", "en", 512, 99,
        N_("English only: the most accuracy for a small CPU (ImageNet 77)"),
    ),
    Choice(
        "xlm-roberta-large-ViT-H-14", "en, zh, 100+", 1024, 1193,
        N_("the best for Chinese: 77, English 72 (Crossmodal-3600); wants a GPU or patience"),
    ),
)  # fmt: skip
