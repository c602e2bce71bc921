"""bfloat16 where it is as good and faster: a self-check per model and machine, remembered."""

from __future__ import annotations

import copy
import hashlib
import json
import logging
import platform
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from indexer.weights import Loaded
from storage.durable import write_file

SAME_FROM = 0.999  # cosine between the vectors of both precisions, at worst
PICTURES = 8
TEXTS = ("a white van on a wet road", "穿红衣服推自行车的人")
# Instructions that make bfloat16 worth trying: emulated, it is ten times slower than float32.
CPU_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the self-check found."""

    cosine: float  # the worst over pictures and texts
    speedup: float  # float32 time / bfloat16 time of a batch of pictures

    @property
    def precision(self) -> str:
        """'bfloat16' when it gives the same vectors, sooner."""
        return "bfloat16" if self.cosine >= SAME_FROM and self.speedup > 1 else "float32"


def choose_precision(
    loaded: Loaded, verdicts: Path | None, device: str = "cpu"
) -> tuple[torch.nn.Module, str]:
    """The network on `device`, in the precision that it should run in there, and its name.

    A verdict is made once per model and machine and kept in the folder `verdicts`.
    """
    loaded.network.to(device)
    if not (cpu_has_bfloat16() if device == "cpu" else torch.cuda.is_bf16_supported()):
        return loaded.network, "float32"
    key = hashlib.sha256(f"{loaded.weights_hash}\0{machine(device)}".encode()).hexdigest()
    file = None if verdicts is None else verdicts / f"{key[:32]}.json"
    verdict = None if file is None else _remembered(file)
    if verdict is None:
        verdict = self_check(loaded, device)
        log.info("self-check of %s on %s: %s", loaded.name, machine(device), verdict)
        if file is not None:
            _remember(file, loaded, verdict, machine(device))
    if verdict.precision == "bfloat16":
        return loaded.network.to(torch.bfloat16), "bfloat16"
    return loaded.network, "float32"


def self_check(loaded: Loaded, device: str = "cpu") -> Verdict:
    """Embed a few pictures and texts in both precisions and compare vectors and time."""
    pictures = torch.from_numpy(_pictures(*loaded.image_size)).to(device)
    with torch.inference_mode():
        tokens = loaded.tokenizer(list(TEXTS)).to(device)
        full, full_s = _embed(loaded.network, pictures, tokens)
        try:
            half, half_s = _embed(
                copy.deepcopy(loaded.network).to(torch.bfloat16),
                pictures.to(torch.bfloat16),
                tokens,
            )
        except RuntimeError as error:  # an operator without bfloat16
            log.info("%s does not run in bfloat16: %s", loaded.name, error)
            return Verdict(0.0, 0.0)
    return Verdict(float((full * half).sum(1).min()), full_s / half_s)


def cpu_has_bfloat16() -> bool:
    """Whether the CPU computes bfloat16 itself."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return True  # not Linux: let the self-check decide
    words = {word for line in text.splitlines() if ":" in line for word in line.split()}
    return bool(words & CPU_FLAGS)


def machine(device: str = "cpu") -> str:
    """What a verdict depends on beside the model."""
    if device != "cpu":
        return f"{torch.cuda.get_device_name(device)} / torch {torch.__version__}"
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        text = ""
    names = [line.split(":", 1)[1].strip() for line in text.splitlines() if "model name" in line]
    return f"{names[0] if names else platform.processor()} / torch {torch.__version__}"


def _embed(
    network: Any, pictures: torch.Tensor, tokens: torch.Tensor
) -> tuple[torch.Tensor, float]:
    """Unit vectors of pictures, then texts; and the best time of a batch in seconds."""
    vectors = network.encode_image(pictures)  # also warms up
    best = float("inf")
    for _ in range(2):
        begun = time.perf_counter()
        network.encode_image(pictures)
        if pictures.is_cuda:
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - begun)
    both = torch.cat([vectors.float(), network.encode_text(tokens).float()])
    return torch.nn.functional.normalize(both, dim=-1).cpu(), best


def _pictures(height: int, width: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """PICTURES fixed pictures, (n, 3, height, width): colour ramps with ever more noise."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    made = np.empty((PICTURES, 3, height, width), np.float32)
    for i in range(PICTURES):
        for channel in range(3):
            a, b, c = rng.uniform(-2, 2, 3)
            noise = rng.normal(0, 0.1 + 0.15 * i, (height, width))
            made[i, channel] = a * x + b * y + c + noise
    return made


def _remembered(file: Path) -> Verdict | None:
    try:
        facts = json.loads(file.read_bytes())
        return Verdict(float(facts["cosine"]), float(facts["speedup"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None  # a cache: what cannot be read is found out again


def _remember(file: Path, loaded: Loaded, verdict: Verdict, where: str) -> None:
    facts = {"model": loaded.name, "machine": where, **asdict(verdict)}
    try:
        write_file(file, json.dumps(facts, ensure_ascii=False).encode())
    except OSError as error:  # another worker writes the same verdict, or the disk is full
        log.info("verdict on %s is not kept: %s", loaded.name, error)
