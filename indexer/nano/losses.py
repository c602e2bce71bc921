"""What nano is trained to do: see what claims are about, answer claims in words, find the picture
of a sentence, say the same in both languages."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

SEE, CLAIM, FIND, PARITY = 0.5, 1.0, 0.5, 0.6  # weights


@dataclass(frozen=True, slots=True)
class Losses:
    """Each a scalar; `total` is their weighted sum."""

    see: Tensor
    claim: Tensor
    find: Tensor
    parity: Tensor

    @property
    def total(self) -> Tensor:
        """What is minimised."""
        return SEE * self.see + CLAIM * self.claim + FIND * self.find + PARITY * self.parity


class Judge(torch.nn.Module):
    """Scales, offsets and a linear reading of every claim, for training only.

    `positives` (c,): how often each claim is true among the pictures of which it is known.
    `features`: how many numbers the image tower gives before they become a vector.
    """

    weight: Tensor

    def __init__(self, positives: Tensor, features: int) -> None:
        super().__init__()
        prior = torch.logit(positives.clamp(0.002, 0.6))
        self.offset = torch.nn.Parameter(prior.float())  # by claim: some are rare
        self.reading = torch.nn.Linear(features, len(positives))
        self.scale = torch.nn.Parameter(torch.tensor(2.8))  # logarithm
        self.find_scale = torch.nn.Parameter(torch.tensor(2.6))
        weight = ((1 - positives) / positives.clamp(min=0.002)).sqrt().clamp(1, 6)
        self.register_buffer("weight", weight.float())

    def see(self, features: Tensor, labels: Tensor) -> Tensor:
        """Claims read from the image tower alone, without words: the quick way to learn to see."""
        every = torch.arange(labels.shape[1], device=labels.device)
        return self._answered(self.reading(features).float() + self.offset, labels, every)

    def forward(
        self,
        features: Tensor,
        images: Tensor,
        claims: tuple[Tensor, Tensor],
        sentences: tuple[Tensor, Tensor],
        labels: Tensor,
        rivals: Tensor,
        asked: Tensor,
        spoken: Tensor,
    ) -> Losses:
        """`features` (n, f) of the pictures. Unit vectors: images (n, d), the `asked` claims
        (c, d) and the sentences (m, d) of the pictures `spoken`, by language; labels (n, all
        claims) with −1 for unknown, rivals (m, m) as in `Batch`."""
        claim = torch.stack([self._claims(images, texts, labels, asked) for texts in claims]).mean()
        shown = images[spoken]
        find = torch.stack([self._find(shown, texts, rivals) for texts in sentences]).mean()
        parity = torch.stack([1 - (en * zh).sum(-1).mean() for en, zh in (claims, sentences)]).sum()
        return Losses(self.see(features, labels), claim, find, parity)

    def _claims(self, images: Tensor, texts: Tensor, labels: Tensor, asked: Tensor) -> Tensor:
        scores = self.scale.exp() * images @ texts.T + self.offset[asked]
        return self._answered(scores, labels[:, asked], asked)

    def _answered(self, scores: Tensor, labels: Tensor, asked: Tensor) -> Tensor:
        """How wrong `scores` (n, c) of the claims `asked` are, where it is known."""
        true = (labels == 1).float()
        loss = F.binary_cross_entropy_with_logits(
            scores, true, reduction="none", pos_weight=self.weight[asked]
        )
        known = (labels >= 0).float()
        return (loss * known).sum() / known.sum() * 5.0

    def _find(self, images: Tensor, texts: Tensor, rivals: Tensor) -> Tensor:
        """Cross-entropy over wrong answers only: what a sentence also fits is left out."""
        scale = self.find_scale.exp().clamp(max=60)
        scores = scale * texts @ images.T
        own = torch.eye(len(scores), dtype=torch.bool, device=scores.device)
        scores = scores.masked_fill(~(rivals | own), -1e4)
        target = torch.arange(len(scores), device=scores.device)
        backwards = (scale * images @ texts.T).masked_fill(~(rivals.T | own), -1e4)
        return (F.cross_entropy(scores, target) + F.cross_entropy(backwards, target)) / 2
