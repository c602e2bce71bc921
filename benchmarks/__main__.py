"""`python -m benchmarks [NAME…]`: run all measurements, or those named."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

NOT_MEASUREMENTS = {
    "__init__",
    "__main__",
    "report",
    "house",
    "big_ledger",
    "processes",
    "camera_fleet",
}
names = sorted(p.stem for p in Path(__file__).parent.glob("*.py") if p.stem not in NOT_MEASUREMENTS)
for name in sys.argv[1:] or [n for n in names if n != "demo_time"]:
    import_module(f"benchmarks.{name}").main()
