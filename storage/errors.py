"""The one error taxonomy: each kind with its exit code and HTTP status, in one table."""

from __future__ import annotations

from typing import ClassVar

from storage.i18n import tr


class HindsightError(Exception):
    """Base of every error a user may see.

    `message` is an English literal with `{named}` fields; it is the translation key as well.
    It names the thing, what happened, and what happens next.
    """

    exit_code: ClassVar[int] = 1
    http_status: ClassVar[int] = 500
    kind: ClassVar[str] = "error"

    def __init__(self, message: str, **fields: object) -> None:
        super().__init__(message)
        self.message = message
        self.fields = fields

    def text(self, lang: str | None = None) -> str:
        """The message in `lang` (default: the current language), on one line."""
        return " ".join(tr(self.message, lang=lang, **self.fields).split())

    def __str__(self) -> str:
        return self.text("en")


class NotFound(HindsightError):
    """A named camera, segment, case … is not known."""

    exit_code, http_status, kind = 3, 404, "not-found"


class Invalid(HindsightError):
    """Input that cannot be understood or is out of range."""

    exit_code, http_status, kind = 4, 422, "invalid"


class Conflict(HindsightError):
    """The state of things forbids it: already there, changed meanwhile, of another version."""

    exit_code, http_status, kind = 5, 409, "conflict"


class Denied(HindsightError):
    """Not allowed, or who you are could not be shown."""

    exit_code, http_status, kind = 6, 403, "denied"


class Unavailable(HindsightError):
    """A camera, volume, model or port cannot be reached now; later it may be."""

    exit_code, http_status, kind = 7, 503, "unavailable"


class ResourceExhausted(HindsightError):
    """Disk, memory or a limit is used up."""

    exit_code, http_status, kind = 8, 507, "resource-exhausted"


class DataLoss(HindsightError):
    """Footage or facts are damaged or missing."""

    exit_code, http_status, kind = 9, 500, "data-loss"


class Held(HindsightError):
    """A hold forbids it."""

    exit_code, http_status, kind = 10, 423, "held"


KINDS: tuple[type[HindsightError], ...] = (
    NotFound, Invalid, Conflict, Denied, Unavailable, ResourceExhausted, DataLoss, Held,
)  # fmt: skip


def of_exit_code(code: int) -> type[HindsightError]:
    """The kind of error that a process ended with."""
    return next((kind for kind in KINDS if kind.exit_code == code), Unavailable)
