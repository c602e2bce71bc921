"""Every command explains itself in both languages, with an example that is really its own."""

from __future__ import annotations

from collections.abc import Iterator

import click
import pytest

from storage.commandline import HindsightCommand, run
from storage.commands import COMMANDS


def every_command() -> Iterator[tuple[str, ...]]:
    from importlib import import_module

    for name, place in COMMANDS.items():
        module, attribute = place.split(".")
        command = getattr(import_module(f"storage.commands.{module}"), attribute)
        yield (name,)
        if isinstance(command, click.Group):
            for inner in command.commands:
                yield (name, inner)


@pytest.mark.parametrize("words", list(every_command()), ids=" ".join)
def test_help_in_both_languages(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    from hindsight import cli

    told = {}
    for lang in ("en", "zh"):
        assert run(cli, [*words, "--help", "--lang", lang]) == 0
        told[lang] = capsys.readouterr().out
    assert not any("\u4e00" <= ch <= "\u9fff" for ch in told["en"].split("Example")[0])
    assert any("\u4e00" <= ch <= "\u9fff" for ch in told["zh"])
    # The same command asked in English again is English again.
    assert run(cli, [*words, "--help", "--lang", "en"]) == 0
    assert capsys.readouterr().out == told["en"]


@pytest.mark.parametrize("words", list(every_command()), ids=" ".join)
def test_the_example_runs_the_command_it_explains(words: tuple[str, ...]) -> None:
    from hindsight import cli

    context = click.Context(cli)
    command: click.Command | None = cli
    for word in words:
        assert isinstance(command, click.Group)
        command = command.get_command(context, word)
    if isinstance(command, HindsightCommand):
        assert command.example.startswith("hindsight ")
        assert " ".join(words) in command.example
