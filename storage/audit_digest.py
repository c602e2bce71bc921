"""What the hash of an audit row covers, and how it is made."""

from __future__ import annotations

import hashlib
import json
from json.encoder import encode_basestring as _text
from typing import Any

GENESIS = "0" * 64
COLUMNS = (
    "seq", "ts_us", "actor", "case_id", "reason", "action", "subject", "detail", "prev_hash",
    "hash",
)  # fmt: skip


def digest_of(values: tuple[Any, ...]) -> str:
    """SHA-256 over the row, `values` being all of COLUMNS but the last, in that order.

    Over canonical JSON: keys sorted, no blanks, UTF-8. Spelled out, for the walk over a million
    rows: it takes a third of what `json.dumps` does.
    """
    seq, ts_us, actor, case_id, reason, action, subject, detail, prev_hash = values
    try:
        text = (
            f'{{"action":{_text(action)},"actor":{_text(actor)},'
            f'"case_id":{"null" if case_id is None else _text(case_id)},'
            f'"detail":{_text(detail)},"prev_hash":{_text(prev_hash)},'
            f'"reason":{"null" if reason is None else _text(reason)},'
            f'"seq":{seq:d},"subject":{_text(subject)},"ts_us":{ts_us:d}}}'
        )
    except (TypeError, ValueError):
        # A value forged into another type must read as changed, not stop the walk.
        named = dict(zip(COLUMNS, values, strict=False))
        text = json.dumps(
            named, ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=repr
        )
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
