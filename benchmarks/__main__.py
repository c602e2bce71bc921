"""`python -m benchmarks [NAME…]`: run the measurements that end in minutes, or those named."""

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
LONG = {"demo_time", "crash_storm", "ledger_size"}  # a quarter of an hour each; by name only
names = sorted(
    p.stem
    for p in Path(__file__).parent.glob("*.py")
    if p.stem not in NOT_MEASUREMENTS and not p.stem.startswith("day_")
)
for name in sys.argv[1:] or [n for n in names if n not in LONG]:
    import_module(f"benchmarks.{name}").main()
