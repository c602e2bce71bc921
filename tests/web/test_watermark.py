"""The watermark: the player's page says who looks where the setting asks for it, and else not."""

from __future__ import annotations

from tests.web.desk import Desk


def test_the_player_names_who_looks_where_the_setting_asks_for_it(archive: Desk) -> None:
    ines = archive.person()
    assert "data-watermark" not in ines.get("/player?camera=gate").text
    settings = archive.directory.settings
    web = settings.web.model_copy(update={"watermark": True})
    object.__setattr__(archive.directory, "settings", settings.model_copy(update={"web": web}))
    for page in ("/player?camera=gate", "/cameras/gate"):
        assert 'data-watermark="ines"' in ines.get(page).text, page
