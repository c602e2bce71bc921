"""Published weights: out of the Hugging Face cache or the network; offline, quick and quiet."""

from __future__ import annotations

import logging
import socket
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import open_clip
from huggingface_hub import constants
from huggingface_hub.utils import logging as hub_logging

from storage.errors import Unavailable

REACH_S = 5.0


def fetch(architecture: str, tag: str) -> Path:
    """The file of a published training. Unavailable when it is neither here nor in reach."""
    settings = open_clip.get_pretrained_cfg(architecture, tag)
    try:
        with hub():
            return Path(open_clip.download_pretrained(settings))
    except Exception as error:  # huggingface_hub and urllib raise a dozen kinds
        raise Unavailable(
            "the weights {tag} of model {model} cannot be downloaded ({error}); go online, or"
            " fetch them elsewhere and name the file: `hindsight model use {model}"
            " --checkpoint FILE`",
            tag=tag, model=architecture, error=brief(error),
        ) from error  # fmt: skip


@contextmanager
def hub() -> Iterator[None]:
    """Inside, the hub's library answers from its cache alone when the hub is out of reach.

    By itself it would try for most of a minute, telling about each attempt.
    """
    offline, verbosity = constants.HF_HUB_OFFLINE, hub_logging.get_verbosity()
    constants.HF_HUB_OFFLINE = offline or not _reachable()
    hub_logging.set_verbosity(logging.ERROR)
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = offline
        hub_logging.set_verbosity(verbosity)


def brief(error: Exception) -> str:
    """The beginning of what a library says, on one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = " ".join(lines[:2]) or type(error).__name__
    return text if len(text) <= 200 else text[:200] + "…"


def _reachable() -> bool:
    address = urlsplit(constants.ENDPOINT)
    if address.scheme in urllib.request.getproxies():
        return True  # the proxy knows
    try:
        port = address.port or (80 if address.scheme == "http" else 443)
        socket.create_connection((address.hostname or "", port), timeout=REACH_S).close()
    except OSError:
        return False
    return True
