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
    "big_month",
    "big_lake",
    "big_lake_copies",
    "grown_vectors",
    "real_vectors",
    "search_asked",
    "search_ours",
    "search_timing",
    "processes",
    "camera_fleet",
    "absent_things",
    "feedback_questions",
}
# A quarter of an hour or more each; by name only.
LONG = {
    "demo_time",
    "crash_storm",
    "ledger_size",
    "search_growth",
    "search_peers",
    "search_scale",
}
names = sorted(
    p.stem
    for p in Path(__file__).parent.glob("*.py")
    if p.stem not in NOT_MEASUREMENTS and not p.stem.startswith("day_")
)
for name in sys.argv[1:] or [n for n in names if n not in LONG]:
    import_module(f"benchmarks.{name}").main()
