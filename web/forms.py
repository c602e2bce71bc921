"""What a form must be before anything reads it."""

from __future__ import annotations

from flask import Flask, request

from storage.errors import Invalid


def init_forms(app: Flask) -> None:
    """Look at every form before the check of its token, which trips over fields without a name."""
    app.before_request(_fields_have_names)


def _fields_have_names() -> None:
    if None in request.form:
        raise Invalid("a field of the form has no name; nothing was done")
