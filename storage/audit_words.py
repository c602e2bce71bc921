"""Audit rows in plain words: what somebody did, as one sentence without its subject."""

from __future__ import annotations

from storage.audit import AuditRow, said
from storage.clock import rfc3339
from storage.errors import Invalid
from storage.i18n import N_, tr

# Action of a row → what was done; {subject} is what it was done with.
WORDS: dict[str, str] = {
    "search": N_("searched: {subject}"),
    "search_shown": N_("looked at what was found for: {subject}"),
    "view": N_("saw pictures of {subject}"),
    "play": N_("watched {subject}"),
    "snapshot": N_("saved a picture of {subject}"),
    "mark": N_("marked results of: {subject}"),
    "marks_shown": N_("looked at what was marked in {subject}"),
    "export": N_("exported {subject}"),
    "export.sealed": N_("sealed export {subject}"),
    "export.asked": N_("asked for export {subject}"),
    "export.fetched": N_("fetched export {subject}"),
    "export.cancelled": N_("cancelled export {subject}"),
    "export.removed": N_("removed the finished export {subject}"),
    "redact": N_("made a redacted copy of {subject}"),
    "redact.look": N_("looked at footage of {subject} to redact it"),
    "redact.sealed": N_("sealed redacted copy {subject}"),
    "redact.fetched": N_("fetched redacted copy {subject}"),
    "standing_added": N_("set up standing query {subject}"),
    "standing_extended": N_("let standing query {subject} go on"),
    "standing_ended": N_("ended standing query {subject}"),
    "standing_shown": N_("looked at what standing query {subject} noticed"),
    "standing_fired": N_("standing query {subject} noticed something"),
    "standing_told": N_("told of what standing query {subject} noticed"),
    "hold.add": N_("held footage of {subject}"),
    "hold.release": N_("released held footage of {subject}"),
    "promise.set": N_("changed how long footage is kept: {subject}"),
    "promise.withdraw": N_("took back a change of how long footage is kept: {subject}"),
    "case.open": N_("opened case {subject}"),
    "case.close": N_("closed case {subject}"),
    "case.view": N_("looked at case {subject}"),
    "case.hand_over": N_("handed case {subject} over"),
    "case.take_back": N_("took case {subject} back"),
    "exhibit.add": N_("collected an exhibit of {subject}"),
    "exhibit.note": N_("noted something of an exhibit of {subject}"),
    "exhibit.remove": N_("removed an exhibit of {subject}"),
    "approval.request": N_("asked for an approval for {subject}"),
    "approval.give": N_("approved a request of {subject}"),
    "approval.refuse": N_("refused a request of {subject}"),
    "approval.revoke": N_("revoked an approval of {subject}"),
    "grant.add": N_("granted something to {subject}"),
    "grant.revoke": N_("revoked a grant of {subject}"),
    "user.add": N_("added the person {subject}"),
    "user.set": N_("changed the person {subject}"),
    "user.link": N_("linked {subject} to a login provider"),
    "user.unlink": N_("ended the link of {subject} to a login provider"),
    "department.add": N_("registered department {subject}"),
    "token.add": N_("made an API token for {subject}"),
    "token.revoke": N_("revoked an API token of {subject}"),
    "login": N_("logged in"),
    "login_failed": N_("failed to log in as {subject}"),
    "logout": N_("logged out"),
    "password_changed": N_("changed their own password"),
    "second_factor.add": N_("set up a second factor"),
    "second_factor.remove": N_("took their own second factor off"),
    "session.end": N_("ended sessions of {subject}"),
    "camera.add": N_("registered camera {subject}"),
    "camera.set": N_("changed camera {subject}"),
    "camera.try": N_("tested the source of camera {subject}"),
    "camera.enable": N_("enabled camera {subject}"),
    "camera.disable": N_("disabled camera {subject}"),
    "zone.add": N_("hid a part of the picture of {subject}"),
    "zone.end": N_("ended a privacy zone of {subject}"),
    "clock.correct": N_("corrected the clock of {subject}"),
    "import": N_("took in {subject}"),
    "delete": N_("removed expired footage: {subject}"),
    "make_room": N_("removed footage to make room: {subject}"),
    "retain": N_("went through what has expired"),
    "rebuild": N_("rebuilt the ledger from the footage"),
    "seal": N_("sealed the footage of a day"),
    "seal.key": N_("made a key that seals"),
    "seal.verify": N_("verified the seals"),
    "evidence.key": N_("made a key that signs bundles"),
    "evidence.credentials": N_("made a certificate that signs playable copies"),
    "model.use": N_("changed the model to {subject}"),
    "model.rollback": N_("went back to the model {subject}"),
    "audit.read": N_("read the audit log"),
    "audit.export": N_("exported the audit log"),
    "audit.verify": N_("verified the audit log"),
    "audit.sign": N_("signed the audit log up to {subject}"),
    "init": N_("made the data directory"),
}


def sentence(row: AuditRow) -> str:
    """What was done, in the current language; an action of another version as it stands."""
    words = WORDS.get(row.action)
    if words is None:
        return f"{row.action}: {row.subject}"
    return tr(words, subject=row.subject)


def span_of(row: AuditRow) -> tuple[str, str] | None:
    """Of the footage that a look was at, as RFC 3339 texts."""
    found = said(row)
    if not isinstance(found, dict):
        return None
    start, end = found.get("from"), found.get("to")
    return (start, end) if isinstance(start, str) and isinstance(end, str) else None


def time_of(row: AuditRow) -> str:
    """When, as RFC 3339; as it stands where somebody wrote no time into the row."""
    try:
        return rfc3339(row.ts_us)
    except (TypeError, ValueError, Invalid):
        return str(row.ts_us)
