"""Chromium logs in at a provider of another site, and out again: cookies and policies allow it."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest
from playwright.sync_api import expect

from storage.directory import init_directory
from storage.oidc import link
from storage.people import find_user
from storage.settings import FILE_NAME
from tests.e2e.browser import chromium, serving, visitor
from tests.servers.oidc_provider import CLIENT, SECRET, Person, provided

SUBJECT = "248289761001"
pytestmark = pytest.mark.timeout(120)


def free_port() -> int:
    """The provider has to know where to send people back to before the server runs."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_a_person_logs_in_at_another_site_and_out_of_both(tmp_path: Path) -> None:
    port = free_port()
    # To a browser, localhost and 127.0.0.1 are two sites: cookies are kept from one another.
    with provided(lambda: int(time.time()), host="localhost") as provider:
        provider.redirect_uri = f"http://127.0.0.1:{port}/login/oidc/return"
        provider.person, provider.asks = Person(SUBJECT), True
        directory, _ = init_directory(tmp_path / "data")
        with directory.ledger.write() as tx:
            link(tx, find_user(tx, "admin"), provider.url, SUBJECT, by="the test", now_us=0)
        directory.close()
        (directory.root / "keys" / "oidc.secret").write_text(SECRET, encoding="utf-8")
        (directory.root / FILE_NAME).write_text(
            f'[oidc]\nissuer = "{provider.url}"\nclient_id = "{CLIENT}"\n'
            f'client_secret_file = "keys/oidc.secret"\npublic_url = "http://127.0.0.1:{port}"\n'
            'label = "City login"\n', encoding="utf-8",
        )  # fmt: skip
        with chromium() as browser, serving(directory.root, port) as server:
            window = visitor(browser.new_context(), server.url)
            page = window.page
            window.go("/cameras")
            page.wait_for_url("**/login?next=/cameras")
            page.get_by_role("link", name="Log in at City login").click()
            page.wait_for_url("http://localhost:*/authorize*")
            page.get_by_role("button", name=SUBJECT).click()
            page.wait_for_url("**/cameras")
            expect(page.get_by_role("navigation")).to_have_count(1)
            kept = {cookie["name"] for cookie in page.context.cookies()}  # type: ignore[typeddict-item]
            assert {name for name in kept if name.startswith("hindsight_oidc")} == set()
            page.get_by_text("admin").first.click()
            page.get_by_role("button", name="Log out").click()
            page.wait_for_url("**/login")
            assert len(provider.left) == 1
            window.go("/cameras")
            page.wait_for_url("**/login?next=/cameras")
            assert window.complaints == []
