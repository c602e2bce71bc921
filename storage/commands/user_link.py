"""`user link`, `unlink`, `links`: who is who at the login provider."""

from __future__ import annotations

import click

from storage import audit
from storage.clock import rfc3339
from storage.commandline import HindsightCommand, Invocation, json_option, pass_invocation
from storage.errors import Invalid
from storage.i18n import N_
from storage.oidc import Link, link, links, unlink
from storage.people import find_user

issuer_option = click.option(
    "--issuer", metavar="URL", help=N_("the login provider, as it calls itself; without: that of"
                                       " [oidc] in the settings")
)  # fmt: skip


@click.command(
    "link",
    cls=HindsightCommand,
    help=N_(
        "Let a person log in at the provider: by the subject it knows them as, which never changes;"
        " a refused login shows it (`hindsight audit list --action login_failed`)."
    ),
    example="hindsight user link li.wei --subject 248289761001",
)
@click.argument("name")
@click.option(
    "--subject", required=True, metavar="TEXT", help=N_("as the provider knows them (claim sub)")
)
@issuer_option
@json_option
@pass_invocation
def link_command(
    invocation: Invocation, name: str, subject: str, issuer: str | None, as_json: bool
) -> None:
    """Nothing is asked of the provider."""
    there, now_us = _issuer(invocation, issuer), invocation.directory.clock.now_us()
    actor = invocation.actor()
    with invocation.directory.ledger.write() as tx:
        made = link(tx, find_user(tx, name), there, subject, by=actor.name, now_us=now_us)
        audit.record(tx, actor, "user.link", made.user, at_us=now_us, detail=_detail(made))
    if as_json:
        invocation.json(document(made))
    else:
        invocation.say(
            N_("{user} may log in at {issuer} as {subject} from now on."),
            user=made.user, issuer=made.issuer, subject=made.subject,
        )  # fmt: skip


@click.command(
    "unlink",
    cls=HindsightCommand,
    help=N_("Let a person log in at the provider no more; ends their sessions."),
    example="hindsight user unlink li.wei",
)
@click.argument("name")
@click.option("--issuer", metavar="URL", help=N_("only at this login provider"))
@json_option
@pass_invocation
def unlink_command(invocation: Invocation, name: str, issuer: str | None, as_json: bool) -> None:
    """They may still have a password."""
    now_us, actor = invocation.directory.clock.now_us(), invocation.actor()
    with invocation.directory.ledger.write() as tx:
        gone = unlink(tx, find_user(tx, name), issuer)
        for one in gone:
            audit.record(tx, actor, "user.unlink", one.user, at_us=now_us, detail=_detail(one))
    if as_json:
        invocation.json([document(one) for one in gone])
    else:
        for one in gone:
            invocation.say(
                N_("{user} may not log in at {issuer} any more; their sessions have ended."),
                user=one.user, issuer=one.issuer,
            )  # fmt: skip


@click.command(
    "links",
    cls=HindsightCommand,
    help=N_("List who may log in at a provider, and as whom there."),
    example="hindsight user links",
)
@json_option
@pass_invocation
def links_command(invocation: Invocation, as_json: bool) -> None:
    """By name."""
    with invocation.directory.ledger.read() as tx:
        found = links(tx)
    if as_json:
        invocation.json([document(one) for one in found])
        return
    invocation.table(
        [N_("user"), N_("provider"), N_("subject"), N_("linked by"), N_("last login")],
        [
            (one.user, one.issuer, one.subject, one.created_by,
             None if one.used_us is None else rfc3339(one.used_us))
            for one in found
        ],
    )  # fmt: skip


def document(one: Link) -> dict[str, object]:
    """A link as JSON."""
    return {
        "user": one.user, "issuer": one.issuer, "subject": one.subject,
        "created": rfc3339(one.created_us), "created_by": one.created_by,
        "last_login": None if one.used_us is None else rfc3339(one.used_us),
    }  # fmt: skip


def _detail(one: Link) -> dict[str, object]:
    return {"issuer": one.issuer, "subject": one.subject}


def _issuer(invocation: Invocation, given: str | None) -> str:
    found = given or invocation.directory.settings.oidc.issuer
    if found is None:
        raise Invalid(
            "name the login provider with --issuer, or set [oidc] issuer; nothing was linked"
        )
    return found
