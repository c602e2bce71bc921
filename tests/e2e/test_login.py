"""Chromium at the door, by keyboard: the first login, the second factor read off the screen; no
page of it shuts anybody out."""

from __future__ import annotations

import re
import time
from pathlib import Path

import cv2
import numpy as np
import pyotp
import pytest
from playwright.sync_api import Page, expect

from storage.directory import init_directory
from storage.settings import FILE_NAME
from tests.e2e.accessible import violations
from tests.e2e.browser import chromium, serving, visitor

PASSWORD = "correct horse battery"
pytestmark = pytest.mark.timeout(120)


def type_in(page: Page, *texts: str) -> None:
    """Into the field that has the focus and those after it, then Enter."""
    expect(page.locator("input:focus")).to_have_count(1)  # a page gives it when it is drawn
    for number, text in enumerate(texts):
        if number:
            page.keyboard.press("Tab")
        page.keyboard.type(text)
    page.keyboard.press("Enter")


def test_a_person_who_needs_a_factor_sets_it_up_by_keyboard_and_comes_back(tmp_path: Path) -> None:
    data = tmp_path / "data"
    directory, one_time = init_directory(data)
    directory.close()
    (data / FILE_NAME).write_text('[web]\nsecond_factor = ["administrator"]\n', encoding="utf-8")
    with chromium() as browser, serving(data) as server:
        context = browser.new_context(color_scheme="dark")
        window = visitor(context, server.url)
        page = window.page
        window.go("/login?next=/cameras")
        assert violations(page) == []
        type_in(page, "admin", one_time)
        page.wait_for_url("**/account/first")
        assert violations(page) == []
        type_in(page, PASSWORD, PASSWORD)
        page.wait_for_url("**/account/factor")
        expect(page.get_by_role("navigation")).to_have_count(0)  # no desk before it is done
        assert violations(page) == []
        type_in(page, PASSWORD)
        drawn = page.locator(".qr").screenshot()
        assert violations(page) == []
        picture = cv2.imdecode(np.frombuffer(drawn, np.uint8), cv2.IMREAD_COLOR)
        assert picture is not None
        app = pyotp.parse_uri(cv2.QRCodeDetectorAruco().detectAndDecode(picture)[0])
        assert isinstance(app, pyotp.TOTP)
        began_s = int(time.time())
        type_in(page, app.at(began_s))
        expect(page.locator(".codes li")).to_have_count(10)
        assert violations(page) == []
        recovery = page.locator(".codes li").first.inner_text()
        expect(page.locator("button:focus, a:focus")).to_have_count(1)
        page.keyboard.press("Enter")
        page.wait_for_url("**/search")
        assert window.complaints == []  # the drawing breaks no content security policy

        other = visitor(browser.new_context(), server.url)
        other.go("/login?next=/cameras")
        type_in(other.page, "admin", PASSWORD)
        other.page.wait_for_url(re.compile("/login/code"))
        type_in(other.page, app.at(began_s))  # used already
        expect(other.page.get_by_role("alert")).to_contain_text(
            "this code is wrong", ignore_case=True
        )
        assert violations(other.page) == []
        type_in(other.page, recovery)
        other.page.wait_for_url("**/cameras")
