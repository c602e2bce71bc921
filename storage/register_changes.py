"""Changes of the register of cameras, each with its audit row, for command line and desk alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Connection

from storage import audit
from storage.commands.camera_facts import document
from storage.directory import DataDirectory
from storage.register import (
    add_camera,
    cameras_with_credentials,
    set_camera,
    set_credentials,
)
from storage.source_url import PORTS
from storage.timeline import close_gap, end_expectation
from storage.vocabulary import Actor, Camera

Credentials = tuple[str, str]
SEALED = frozenset({"rtsps", "rtmps", "https"})  # nobody on the way reads along


def add(
    tx: Connection,
    directory: DataDirectory,
    actor: Actor,
    facts: Mapping[str, Any],
    credentials: Credentials | None = None,
    source: Mapping[str, Any] | None = None,
) -> Camera:
    """Register a camera; `facts` hold its name and URL. `source`: what the audit row says besides.

    Conflict, Invalid: as `add_camera`.
    """
    now_us = directory.clock.now_us()
    camera = add_camera(
        tx, created_us=now_us, credentials=credentials,
        vault=directory.vault() if credentials else None, **({"url": None} | dict(facts)),
    )  # fmt: skip
    shown = document(camera, sealed=credentials is not None)
    known = {fact: value for fact, value in shown.items() if value is not None}
    detail = known | dict(source or {})
    audit.record(tx, actor, "camera.add", camera.slug, at_us=now_us, detail=detail)
    return camera


def change(
    tx: Connection,
    directory: DataDirectory,
    actor: Actor,
    before: Camera,
    changes: Mapping[str, Any],
    credentials: Credentials | None = None,
    *,
    forget: bool = False,
) -> Camera:
    """Change facts; its slug, folder and history stay. A password goes along to no other host.

    `forget`: it needs none any more.
    """
    detail: dict[str, Any] = {}
    if credentials:
        set_credentials(tx, before.id, credentials, directory.vault())
        detail["credentials"] = "replaced"
    elif forget or ("url" in changes and another_host(before.url, changes["url"])):
        if before.id in cameras_with_credentials(tx):
            detail["credentials"] = "forgotten"
        set_credentials(tx, before.id, None, directory.vault())
    camera = set_camera(tx, before, **changes)
    detail = differences(before, camera) | detail
    now_us = directory.clock.now_us()
    audit.record(tx, actor, "camera.set", camera.slug, at_us=now_us, detail=detail)
    return camera


def enable(tx: Connection, directory: DataDirectory, actor: Actor, camera: Camera) -> Camera:
    """Let it be recorded again; a running recorder takes it on by itself."""
    now = set_camera(tx, camera, enabled=True)
    audit.record(
        tx, actor, "camera.enable", now.slug, at_us=directory.clock.now_us(), detail={}
    )  # fmt: skip
    return now


def disable(tx: Connection, directory: DataDirectory, actor: Actor, camera: Camera) -> Camera:
    """From now on nothing is expected of it, so nothing is missing either. Its footage stays."""
    now_us = directory.clock.now_us()
    now = set_camera(tx, camera, enabled=False)
    close_gap(tx, now.id, now_us)
    end_expectation(tx, now.id, now_us)
    audit.record(tx, actor, "camera.disable", now.slug, at_us=now_us, detail={})
    return now


def differences(before: Camera, after: Camera) -> dict[str, Any]:
    """Fact → [before, after], as JSON."""
    old, new = document(before), document(after)
    return {key: [old[key], new[key]] for key in old if old[key] != new[key]}


def another_host(before: str | None, after: str | None) -> bool:
    """Whether keeping the password would send it to somebody else."""
    if before is None or after is None:
        return True
    old, new = urlsplit(before), urlsplit(after)
    if old.scheme in SEALED and new.scheme not in SEALED:
        return True  # or to whoever listens on the way
    places = [(one.hostname, one.port or PORTS.get(one.scheme)) for one in (old, new)]
    return places[0] != places[1]
