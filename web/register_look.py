"""The live test of a camera's form: who may try what, and who sees what comes of it."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Connection

from storage.errors import Denied, Invalid
from storage.i18n import N_, tr
from storage.register import credentials_of
from storage.rights import Verb
from storage.vocabulary import Camera, Span
from storage.zones import zones_over
from web import context
from web.live_test import Tried
from web.live_test import look as try_source
from web.playback import record_view
from web.register_desk import NOT_HERE, Draft, goes_elsewhere, proposed

NOT_SHOWN = N_(
    "Connected. The picture is not shown: it is for who may watch this camera, and what privacy"
    " zones hide is for nobody here."
)


def look(draft: Draft, camera: Camera | None) -> Tried:
    """The live test picture of what was typed. Invalid, Denied, ResourceExhausted.

    Of a registered camera, with what is registered of it, it is shown to who may watch that camera.
    """
    if "url" in draft.errors:
        raise Invalid(draft.errors["url"])
    directory, url = context.directory(), draft.facts.get("url")
    slug = None if camera is None else camera.slug

    def admit(tx: Connection) -> None:
        access = context.access(tx)
        known = None if slug is None else access.camera(tx, Verb.MANAGE, slug)
        if not access.may(Verb.MANAGE, proposed(draft, known)):
            raise Denied(NOT_HERE)

    credentials, watched = draft.credentials, None
    if camera is not None and credentials is None and not goes_elsewhere(draft, camera):
        watched = camera
        if not draft.forget:
            with directory.ledger.read() as tx:  # the kept password goes to nobody else
                credentials = credentials_of(tx, camera.id, directory.vault)
    subject = slug or draft.typed["name"][:100] or "?"
    tried = try_source(directory, context.actor(), subject, url, credentials, admit)
    if watched is None or tried.picture is None or _may_watch(watched):
        return tried
    return replace(tried, picture=None, said=tr(NOT_SHOWN))


def _may_watch(camera: Camera) -> bool:
    """Whether its picture of now may be shown as it is: a look, audited as such."""
    directory, now_us = context.directory(), context.now_us()
    with directory.ledger.read() as tx:
        if zones_over(tx, camera.id, Span(now_us, now_us + 1)):
            return False
    return camera.id in record_view(directory, context.actor(), [camera])
