"""The second factor: TOTP codes of an authenticator app (RFC 6238), and one-time recovery codes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyotp
from sqlalchemy import Connection, delete, func, insert, or_, select, update

from storage.clock import US
from storage.errors import Conflict, DataLoss, Invalid
from storage.login_sessions import token_hash
from storage.login_tables import recovery_code, second_factor
from storage.people import (
    count_failure,
    forgive,
    has_factor,
    one_time_password,
    refuse_if_locked,
)
from storage.vocabulary import User

if TYPE_CHECKING:
    from cryptography.fernet import Fernet

STEP_S = 30
DRIFT_STEPS = 1  # a phone's clock may be half a minute off; RFC 6238 advises no more
RECOVERY_CODES = 10
ISSUER = "Hindsight"
_f, _r = second_factor.c, recovery_code.c


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What an authenticator app needs, while no code has confirmed it."""

    secret: str  # base32
    address: str  # otpauth://, what the QR code says


def begin(
    tx: Connection, vault: Fernet, user: User, now_us: int, session: str = ""
) -> Enrolment:  # fmt: skip
    """A fresh secret, which counts once `confirm` saw a code. Conflict when one counts already.

    `session`: token of the login that began it and gave the password. No other sees the secret.
    """
    if has_factor(tx, user.id):
        raise Conflict(
            "{user} has a second factor already; take it off first, nothing was changed",
            user=user.name,
        )
    secret = pyotp.random_base32()
    tx.execute(delete(second_factor).where(_f.user_id == user.id))
    tx.execute(
        insert(second_factor).values(
            user_id=user.id, created_us=now_us,
            sealed=vault.encrypt("\0".join((str(user.id), secret, token_hash(session))).encode()),
        )
    )  # fmt: skip
    return _enrolment(user, secret)


def begun(tx: Connection, vault: Fernet, user: User, session: str = "") -> Enrolment | None:
    """The secret that waits to be confirmed, to be shown again to the session that began it."""
    if has_factor(tx, user.id) or (found := _unsealed(tx, vault, user)) is None:
        return None
    secret, begun_by = found
    return _enrolment(user, secret) if begun_by == token_hash(session) else None


def confirm(
    tx: Connection, vault: Fernet, user: User, code: str, now_us: int, session: str = ""
) -> list[str]:
    """The app works: the factor counts from now on. Returns the recovery codes, shown only now.

    Invalid when the code is wrong: that guesses at nothing, the secret was just shown.
    """
    if begun(tx, vault, user, session) is None:
        raise Conflict("no second factor waits to be confirmed; begin again")
    if not _take_code(tx, vault, user, code, now_us):
        raise Invalid(
            "this code does not fit; check that the phone's clock is right, and give the next one"
        )
    tx.execute(update(second_factor).where(_f.user_id == user.id).values(confirmed_us=now_us))
    codes = [one_time_password() for _ in range(RECOVERY_CODES)]
    tx.execute(delete(recovery_code).where(_r.user_id == user.id))
    tx.execute(
        insert(recovery_code),
        [{"user_id": user.id, "code_hash": _code_hash(code)} for code in codes],
    )
    return codes


def check(tx: Connection, vault: Fernet, user: User, code: str, now_us: int) -> str | None:
    """What let them in, 'code' or 'recovery code', or None; the outcome counts as a password's.

    Denied while the account waits. Each code is taken once.
    """
    refuse_if_locked(tx, user, now_us)
    taken = None
    if has_factor(tx, user.id):
        if _take_code(tx, vault, user, code, now_us):
            taken = "code"
        elif _take_recovery_code(tx, user, code, now_us):
            taken = "recovery code"
    if taken is None:
        count_failure(tx, user.id, now_us)
    else:
        forgive(tx, user.id)
    return taken


def remove(tx: Connection, user: User) -> bool:
    """Take it off, with its recovery codes. Returns whether there was one that counted."""
    had = has_factor(tx, user.id)
    tx.execute(delete(recovery_code).where(_r.user_id == user.id))
    tx.execute(delete(second_factor).where(_f.user_id == user.id))
    return had


def recovery_codes_left(tx: Connection, user: User) -> int:
    """How many were not used yet."""
    query = select(func.count()).where(_r.user_id == user.id, _r.used_us.is_(None))
    return tx.execute(query).scalar_one()


def _enrolment(user: User, secret: str) -> Enrolment:
    address = pyotp.TOTP(secret, interval=STEP_S).provisioning_uri(
        name=user.name, issuer_name=ISSUER
    )
    return Enrolment(secret, address)


def _unsealed(tx: Connection, vault: Fernet, user: User) -> tuple[str, str] | None:
    """(secret, hash of the token of the session that began it)."""
    from cryptography.fernet import InvalidToken  # megabytes: not before there is a factor

    sealed = tx.execute(select(_f.sealed).where(_f.user_id == user.id)).scalar()
    if sealed is None:
        return None
    try:
        owner, secret, begun_by = vault.decrypt(sealed).decode().split("\0")
    except (InvalidToken, ValueError):
        owner, secret, begun_by = "", "", ""
    if owner != str(user.id):  # another key, or a row put under another person
        raise DataLoss(
            "the second factor of {user} cannot be unsealed: keys/secrets.key is not the key it was"
            " sealed with; take it off with `hindsight user set {user} --reset-second-factor`",
            user=user.name,
        )
    return secret, begun_by


def _take_code(tx: Connection, vault: Fernet, user: User, code: str, now_us: int) -> bool:
    """Whether it is a code of about now, and later than every one taken before."""
    plain = "".join(code.split())
    found = _unsealed(tx, vault, user)
    if found is None or not (len(plain) == 6 and plain.isascii() and plain.isdigit()):
        return False
    totp, now_step = pyotp.TOTP(found[0], interval=STEP_S), now_us // (STEP_S * US)
    fits = [
        step
        for step in range(now_step - DRIFT_STEPS, now_step + DRIFT_STEPS + 1)
        if pyotp.utils.strings_equal(totp.generate_otp(step), plain)
    ]
    if not fits:
        return False
    # One statement says yes or no: of two logins with the same code at once, one gets in.
    taken = tx.execute(
        update(second_factor)
        .where(_f.user_id == user.id, or_(_f.last_step.is_(None), _f.last_step < fits[-1]))
        .values(last_step=fits[-1])
    )
    return taken.rowcount == 1


def _take_recovery_code(tx: Connection, user: User, code: str, now_us: int) -> bool:
    taken = tx.execute(
        update(recovery_code)
        .where(_r.user_id == user.id, _r.code_hash == _code_hash(code), _r.used_us.is_(None))
        .values(used_us=now_us)
    )
    return taken.rowcount == 1


def _code_hash(code: str) -> str:
    """80 random bits need no slow hash; typed with or without the dashes."""
    plain = "".join(ch for ch in code.lower() if ch.isalnum())
    return hashlib.sha256(plain.encode()).hexdigest()
