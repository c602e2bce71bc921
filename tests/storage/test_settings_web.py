"""Settings of the door: what would leave it open, or nobody able to come in, is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from storage.errors import Invalid
from storage.settings import FILE_NAME, load_settings
from storage.settings_web import OidcSettings
from storage.vocabulary import Role

WHOLE = """
[oidc]
issuer = "https://login.example/realms/city"
client_id = "hindsight"
client_secret_file = "keys/oidc.secret"
public_url = "https://hindsight.example"
role_claim = "groups"
department_claim = "dept"
create_people = true
password_roles = ["administrator", "auditor"]
[oidc.roles]
video-audit = "auditor"
video = "investigator"
[oidc.departments]
D1 = "traffic police"
"""


def loaded(tmp_path: Path, text: str) -> OidcSettings:
    path = tmp_path / FILE_NAME
    path.write_text(text, encoding="utf-8")
    return load_settings(path).oidc


def test_a_whole_section_is_read_and_roles_keep_their_order(tmp_path: Path) -> None:
    found = loaded(tmp_path, WHOLE)
    assert list(found.roles.items()) == [
        ("video-audit", Role.AUDITOR), ("video", Role.INVESTIGATOR)
    ]  # fmt: skip
    assert found.shown_label == "login.example"
    assert found.client_secret_file == Path("keys/oidc.secret")
    assert loaded(tmp_path, "").issuer is None


@pytest.mark.parametrize(
    ("line", "instead", "why"),
    [
        ("https://login.example/", "http://login.example/", "use https"),
        ("https://login.example/", "https://a:b@login.example/", "password"),
        ("https://login.example/", "https:///", "name a host"),
        ("https://login.example/realms/city", "https://login.example/?realm=city", "query"),
        ("https://hindsight.example", "http://hindsight.example", "use https"),
        ('public_url = "https://hindsight.example"', "", "public_url"),
        ('client_id = "hindsight"', "", "client_id"),
        ('issuer = "https://login.example/realms/city"', "", "issuer"),
        ('["administrator", "auditor"]', '["auditor"]', "must hold administrator"),
        ('role_claim = "groups"', "", "need one another"),
        ('department_claim = "dept"', "", "need one another"),
        ('= "auditor"', '= "emperor"', "oidc.roles.video-audit"),
        ("create_people", 'scopes = ["profile"]\ncreate_people', "openid"),
        ("create_people", 'scopes = ["openid profile"]\ncreate_people', "oidc.scopes"),
        ("create_people", 'client_secret = "x"\ncreate_people', "oidc.client_secret"),
    ],
)
def test_a_section_that_makes_no_sense_is_refused(
    tmp_path: Path, line: str, instead: str, why: str
) -> None:
    assert line in WHOLE
    with pytest.raises(Invalid) as refused:
        loaded(tmp_path, WHOLE.replace(line, instead, 1))
    assert why in str(refused.value)


def test_who_is_new_needs_a_role(tmp_path: Path) -> None:
    text = WHOLE.replace('role_claim = "groups"', "").partition("[oidc.roles]")[0]
    with pytest.raises(Invalid, match="create_people needs role_claim"):
        loaded(tmp_path, text.replace('department_claim = "dept"', ""))
