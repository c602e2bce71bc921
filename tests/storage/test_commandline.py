"""The command line itself: whatever happens inside, one line and a code; both languages at once."""

from __future__ import annotations

import errno
import logging
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from storage.commandline import HindsightCommand, HindsightGroup, Invocation, pass_invocation, run
from storage.errors import Held
from storage.i18n import N_


def ended(inside: Callable[[Invocation], object], *words: str) -> int:
    """Run a command that does `inside`."""

    @click.group(cls=HindsightGroup)
    @click.pass_context
    def door(ctx: click.Context) -> None:
        ctx.obj = Invocation(Path("nowhere"))

    @door.command("do", cls=HindsightCommand, help=N_("print one JSON document"), example="x do 1")
    @pass_invocation
    def do(invocation: Invocation) -> object:
        return inside(invocation)

    return run(door, [*words, "do"])


def fail(error: BaseException) -> Callable[[Invocation], object]:
    def inside(_: Invocation) -> object:
        raise error

    return inside


@pytest.mark.parametrize(
    ("error", "code", "word"),
    [
        (Held("segment {segment} is not in the ledger", segment="s-1"), 10, "s-1"),
        (OSError(errno.ENOSPC, "No space left on device", "/data/x"), 8, "/data/x"),
        (PermissionError(errno.EACCES, "Permission denied", "/data/x"), 7, "/data/x"),
        (KeyboardInterrupt(), 130, "stopped"),
        (ZeroDivisionError(), 1, "HINDSIGHT_LOG=debug"),
    ],
)
def test_every_end_is_one_line_and_a_code(
    capsys: pytest.CaptureFixture[str], error: BaseException, code: int, word: str
) -> None:
    assert ended(fail(error)) == code
    said = capsys.readouterr()
    lines = said.err.strip().splitlines()
    assert len(lines) == 1
    assert word in lines[0]
    assert said.out == ""


def test_an_unexpected_error_goes_to_the_log_with_its_trace(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.ERROR):
        ended(fail(ZeroDivisionError()))
    assert caplog.records[0].exc_info is not None
    assert "Traceback" not in capsys.readouterr().err


def test_a_code_a_command_returns_is_the_exit_code() -> None:
    assert ended(lambda _: 9) == 9
    assert ended(lambda _: None) == 0


def test_tables_fold_nothing_when_piped_and_take_text_as_it_is(
    capsys: pytest.CaptureFixture[str],
) -> None:
    ended(lambda inv: inv.table([N_("camera"), N_("error")], [("[b]x[/b]", "y" * 300), (None, 1)]))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["camera", "error"]
    assert lines[1] == "[b]x[/b]  " + "y" * 300
    assert lines[2].split() == ["1"]


def test_a_command_speaks_the_language_asked_for_wherever_it_is_asked(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for words in (["--lang", "zh"], ["--lang=zh"]):
        ended(fail(Held("segment {segment} is not in the ledger", segment="s")), *words)
        assert "台账" in capsys.readouterr().err


def test_mistakes_on_the_command_line_are_said_in_both_languages(
    capsys: pytest.CaptureFixture[str],
) -> None:
    from hindsight import cli

    for lang, word in (("en", "is missing"), ("zh", "缺少")):
        for words in (["hold", "add"], ["camera", "add"], ["case", "open", "1"]):
            assert run(cli, [*words, "--lang", lang]) == 2
            said = capsys.readouterr().err
            assert word in said
            assert len(said.splitlines()) == 1
    assert run(cli, ["camera", "frobnicate", "--lang", "zh"]) == 2
    assert "没有命令 frobnicate" in capsys.readouterr().err


def test_a_bare_group_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    from hindsight import cli

    assert run(cli, ["camera"]) == 2
    said = capsys.readouterr()
    assert "disable" in said.out
    assert said.err == ""


def test_a_reader_that_leaves_is_no_error(tmp_path: Path) -> None:
    code = (
        "import sys; from storage.commandline import run, Invocation; import click\n"
        "@click.command()\n"
        "def spam():\n"
        "    for _ in range(100000): click.echo('x' * 100)\n"
        "sys.exit(run(spam, []))"
    )
    talker = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert talker.stdout is not None
    assert talker.stderr is not None
    talker.stdout.read(100)
    talker.stdout.close()
    said = talker.stderr.read()
    talker.stderr.close()
    talker.wait(30)
    assert said == b""
