"""One line and one JSON file per measurement."""

from __future__ import annotations

import json
import platform
import time
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


def report(name: str, value: float, unit: str, peer: str, peer_value: float) -> None:
    """`value` against `peer_value` of a peer or limit, measured in the same run."""
    ratio = value / peer_value if peer_value else float("nan")
    print(f"{name} {value:.4g} {unit} ({peer} {peer_value:.4g}, ratio {ratio:.3g})")  # noqa: T201
    RESULTS.mkdir(exist_ok=True)
    document = {
        "name": name, "value": value, "unit": unit, "peer": peer, "peer_value": peer_value,
        "ratio": ratio, "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "python": platform.python_version(), "machine": platform.machine(),
    }  # fmt: skip
    (RESULTS / f"{name}.json").write_text(json.dumps(document, indent=1))
