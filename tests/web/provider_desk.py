"""A desk whose settings name a login provider, and browsers on their way to it and back."""

from __future__ import annotations

import json

import requests
from werkzeug.test import TestResponse

from storage.clock import US
from storage.oidc import link
from storage.people import add_user
from storage.settings_web import OidcSettings
from storage.vocabulary import Role
from tests.servers.oidc_provider import CLIENT, SECRET, OidcProvider, Person
from tests.web.desk import NOW_US, PASSWORD, Desk, grant_everything
from tests.web.desk import Person as Browser

HOME = "http://localhost"
SUBJECT = "248289761001"


def anew(running: OidcProvider, desk: Desk) -> OidcProvider:
    """The provider as it is by default: one who is linked sits at it."""
    running.__init__(  # type: ignore[misc]
        lambda: desk.clock.now_us() // US, running.url, f"{HOME}/login/oidc/return",
        person=Person(SUBJECT), key=running.key,
    )  # fmt: skip
    return running


def at_provider(desk: Desk, provider: OidcProvider, **more: object) -> None:
    """The settings name the provider; before the application is made."""
    path = desk.directory.root / "keys" / "oidc.secret"
    path.write_text(SECRET + "\n", encoding="utf-8")
    oidc = OidcSettings.model_validate(
        {"issuer": provider.url, "client_id": CLIENT, "client_secret_file": path,
         "public_url": HOME, "label": "City login"} | more
    )  # fmt: skip
    desk.directory.settings = desk.directory.settings.model_copy(update={"oidc": oidc})


def linked(desk: Desk, name: str = "ines", role: Role = Role.INVESTIGATOR) -> None:
    """Somebody who may log in there."""
    with desk.directory.ledger.write() as tx:
        user = add_user(tx, name, PASSWORD, role, created_us=NOW_US)  # a one-time password waits
        grant_everything(tx, user)
        issuer = desk.directory.settings.oidc.issuer
        assert issuer is not None
        link(tx, user, issuer, SUBJECT, by="the test", now_us=NOW_US)


def sent_to(browser: Browser, address: str = "/login/oidc") -> str:
    """Where the provider's page is."""
    answer = browser.get(address)
    assert answer.status_code == 302, answer.text
    return str(answer.location)


def sent_back(there: str) -> str:
    """The address of ours that the provider sends the browser back to, over real HTTP."""
    answer = requests.get(there, allow_redirects=False, timeout=10)
    assert answer.status_code == 302, answer.text
    assert answer.headers["Location"].startswith(f"{HOME}/login/oidc/return?")
    return answer.headers["Location"].removeprefix(HOME)


def came_in(browser: Browser, address: str = "/login/oidc") -> TestResponse:
    """The whole way."""
    return browser.get(sent_back(sent_to(browser, address)))


def stranger(desk: Desk) -> Browser:
    return Browser(desk.app.test_client())


def is_in(browser: Browser) -> bool:
    return browser.get("/account").status_code == 200


def told(desk: Desk, action: str) -> dict[str, object]:
    """The detail of the newest row of an action."""
    detail: dict[str, object] = json.loads(desk.audited(action)[-1].detail)
    return detail
