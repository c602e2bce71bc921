"""What all commands share: the context, languages in help, errors as one line, JSON, progress."""

from __future__ import annotations

import errno
import json
import logging
import os
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from storage.directory import DataDirectory, open_directory
from storage.errors import HindsightError, ResourceExhausted, Unavailable
from storage.help import HindsightCommand as HindsightCommand
from storage.help import HindsightGroup as HindsightGroup
from storage.help import usage_text
from storage.i18n import N_, language_from_environment, tr, use_language
from storage.vocabulary import Actor

if TYPE_CHECKING:
    from rich.progress import Progress


def _printable(text: str) -> str:
    """What a camera said of itself must not steer the terminal of who reads it; blanks may stay."""
    return "".join(
        ch if ch.isprintable() or ch == "\n" or unicodedata.category(ch) == "Zs"
        else f"\\x{ord(ch):02x}"
        for ch in text
    )  # fmt: skip


class Invocation:
    """One run of the command line: data directory, output, who runs it."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self._directory: DataDirectory | None = None

    @property
    def directory(self) -> DataDirectory:
        """The opened data directory."""
        if self._directory is None:
            self._directory = open_directory(self.data)
        return self._directory

    def actor(self, case_id: str | None = None, reason: str | None = None) -> Actor:
        """Who audit rows name."""
        return Actor(f"command line (uid {os.getuid()})", case_id, reason)

    def say(self, message: str, **fields: Any) -> None:
        """A sentence for the person, translated, on stdout."""
        click.echo(tr(message, **fields))

    def json(self, document: Any) -> None:
        """One JSON document on stdout."""
        click.echo(json.dumps(document, ensure_ascii=False, indent=1))

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """A table; `columns` are English message ids marked with N_."""
        # Imported where it is drawn: what records for months draws nothing.
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False, header_style="bold")
        for column in columns:
            table.add_column(tr(column), overflow="fold")
        for row in rows:
            table.add_row(*(Text("" if cell is None else _printable(str(cell))) for cell in row))
        # No markup: a camera may be called [red]. Wide when piped: nothing folds what grep reads.
        wide = None if sys.stdout.isatty() else 400
        console = Console(highlight=False, markup=False, emoji=False, width=wide)
        with console.capture() as drawn:
            console.print(table)
        for line in drawn.get().splitlines():
            click.echo(line.rstrip())

    def progress(self) -> Progress:
        """A progress bar on stderr; silent when there is no terminal."""
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        console = Console(stderr=True)
        return Progress(
            TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f}%"),
            TimeRemainingColumn(), console=console, disable=not console.is_terminal, transient=True,
        )  # fmt: skip

    def close(self) -> None:
        """Let go of what was opened."""
        if self._directory is not None:
            self._directory.close()


pass_invocation = click.make_pass_decorator(Invocation)
json_option = click.option("--json", "as_json", is_flag=True, help=N_("print one JSON document"))


def run(group: click.Group, args: Sequence[str] | None = None) -> int:
    """Run a command line; every error becomes one line on stderr and its exit code."""
    use_language(_language_asked(sys.argv[1:] if args is None else args))
    try:
        result = group.main(args=None if args is None else list(args), standalone_mode=False)
        return result if isinstance(result, int) else 0
    except HindsightError as error:
        click.echo(f"hindsight: {error.text()}", err=True)
        return error.exit_code
    except click.exceptions.Exit as leave:
        return int(leave.exit_code)
    except click.Abort:
        click.echo(tr("hindsight: stopped"), err=True)
        return 130
    except click.ClickException as error:
        click.echo(f"hindsight: {usage_text(error)}", err=True)
        return error.exit_code
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output went away: not an error of ours
        return 0
    except KeyboardInterrupt:
        click.echo(tr("hindsight: stopped"), err=True)
        return 130
    except OSError as error:
        kind = ResourceExhausted if error.errno in (errno.ENOSPC, errno.EDQUOT) else Unavailable
        message = N_("the system refuses {file}: {error}; what was finished before stays")
        trouble = kind(message, file=error.filename or "-", error=error.strerror or error)
        click.echo(f"hindsight: {trouble.text()}", err=True)
        return trouble.exit_code
    except Exception:  # the last line of defence: no stack trace reaches a user
        logging.getLogger(__name__).exception("unexpected error")
        click.echo(
            tr("hindsight: unexpected error; nothing half-done stays. Run again with"
               " HINDSIGHT_LOG=debug to see where, and please report it"),
            err=True,
        )  # fmt: skip
        return 1


def _language_asked(args: Sequence[str]) -> str:
    """--lang wherever it stands, so that even --help and usage errors obey it."""
    for i, arg in enumerate(args):
        if arg.startswith("--lang="):
            return arg.removeprefix("--lang=")
        if arg == "--lang" and i + 1 < len(args):
            return args[i + 1]
    return language_from_environment()
