"""Logging: one JSON object a line on stderr, secrets redacted, repeated errors counted."""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import time

# user:password@ in any URL, up to the last '@' before the path: a password may hold one too
_CREDENTIALS = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*://)[^/\s]+@", re.IGNORECASE)
_QUERY_SECRETS = re.compile(
    r"(?P<key>[?&](?:password|passwd|passphrase|pwd|token|key|secret)=)[^&\s]+", re.I
)
REPEAT_S = 60.0


def redact(text: str) -> str:
    """`text` without credentials in URLs."""
    return _QUERY_SECRETS.sub(r"\g<key>***", _CREDENTIALS.sub(r"\g<scheme>***@", text))


class RedactedJson(logging.Formatter):
    """time, level, logger, message; one line each, which no name in it can end or steer."""

    def format(self, record: logging.LogRecord) -> str:
        """One JSON line."""
        entry = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
            + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": redact(record.getMessage()),
        }
        if record.exc_info and logging.getLogger().isEnabledFor(logging.DEBUG):
            entry["trace"] = redact(self.formatException(record.exc_info))
        line = json.dumps(entry, ensure_ascii=False)
        return "".join(ch if ch.isprintable() else json.dumps(ch)[1:-1] for ch in line)


class CountRepeats(logging.Filter):
    """The same message template of one logger: the first passes, then a count once a period."""

    def __init__(self, period_s: float = REPEAT_S) -> None:
        super().__init__()
        self.period_s = period_s
        self._seen: dict[tuple[str, str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to let `record` through."""
        if record.levelno < logging.WARNING:
            return True
        key = (record.name, str(record.msg), str(record.args)[:200])
        last, count = self._seen.get(key, (float("-inf"), 0))
        if record.created - last < self.period_s:
            self._seen[key] = (last, count + 1)
            return False
        if count:
            record.msg = f"{record.msg} (and {count} times more in the last {self.period_s:.0f} s)"
        if len(self._seen) > 10_000:
            self._seen.clear()
        self._seen[key] = (record.created, 0)
        return True


def configure_logging() -> None:
    """Log to stderr at the level of $HINDSIGHT_LOG (default: warning)."""
    level = os.environ.get("HINDSIGHT_LOG", "warning").upper()
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(RedactedJson())
    handler.addFilter(CountRepeats())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level if level in logging.getLevelNamesMapping() else "WARNING")
    logging.getLogger("alembic").setLevel(max(root.level, logging.WARNING))
