"""What gives somebody power asks again who gives it: the password, or the login provider lately."""

from __future__ import annotations

from flask import g

from storage.errors import Denied
from web import context, sessions


def prove_again(password: str | None) -> None:
    """Before somebody may do more than they may now. What takes away is done at once.

    Denied: by an API token, which takes away at most. WrongPassword: it is not theirs.
    """
    if g.api_token is not None:
        raise Denied("an API token gives nobody more than they have; log in with a password")
    sessions.prove(
        context.directory(), context.user(), password or "", context.peer(),
        context.session_token(),
    )  # fmt: skip


def is_proven() -> bool:
    """Whether the password need not be asked."""
    return sessions.proven_lately(context.vouched(), context.now_us())
