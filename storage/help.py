"""Commands that explain themselves in the user's language: help, example, usage errors.

Texts are written in English as message ids and translated when shown, so that one process can
speak both languages.
"""

from __future__ import annotations

import re
from typing import Any

import click

from storage.i18n import LANGUAGES, N_, current_language, tr

_HEADINGS = {
    "Options": N_("Options"),
    "Commands": N_("Commands"),
    "Example": N_("Example"),
}
# Wrapping counts characters, and a Chinese one is two columns wide.
_WIDTHS = {"en": 80, "zh": 56}


class _Formatter(click.HelpFormatter):
    """Headings in the user's language."""

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        """The first line."""
        usage = tr("Usage:")
        super().write_usage(prog, args, prefix or f"{usage} ")

    def write_heading(self, heading: str) -> None:
        """Of a section."""
        super().write_heading(tr(_HEADINGS[heading]) if heading in _HEADINGS else heading)


class _Spoken(click.Command):
    """What commands and groups of ours have in common."""

    def __init__(self, *args: Any, example: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.example = example
        if not any(parameter.name == "lang" for parameter in self.params):
            # Read from the arguments before click parses them; here so that click knows it.
            self.params.append(
                click.Option(
                    ["--lang"],
                    type=click.Choice(LANGUAGES),
                    expose_value=False,
                    help=N_("language of what is printed"),
                )
            )

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        """--help, which click makes itself, in English."""
        option = super().get_help_option(ctx)
        if option is not None:
            option.help = tr("show this message")
        return option

    def get_help(self, ctx: click.Context) -> str:
        """Help, translated."""
        options = [p for p in self.params if isinstance(p, click.Option)]
        written = self.help, [option.help for option in options]
        try:
            self.help = _translated(self.help)
            for option in options:
                option.help = _translated(option.help)
            formatter = _Formatter(max_width=_WIDTHS[current_language()])
            self.format_help(ctx, formatter)
            return formatter.getvalue().rstrip("\n")
        finally:  # the command outlives this call, and the next may want another language
            self.help = written[0]
            for option, text in zip(options, written[1], strict=True):
                option.help = text

    def get_short_help_str(self, limit: int = 80) -> str:
        """The first sentence, for the list of commands, translated."""
        return re.split(r"(?<=[.。])", _translated(self.help), maxsplit=1)[0]

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The example, each line as it is typed."""
        if self.example:
            with formatter.section("Example"):
                for line in self.example.splitlines():
                    formatter.write(f"{' ' * formatter.current_indent}{line}\n")


class HindsightCommand(_Spoken):
    """A command of ours."""


class HindsightGroup(_Spoken, click.Group):
    """A group of such commands."""

    command_class = HindsightCommand
    group_class = type  # nested groups are of this class too

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """A bare group explains itself."""
        if not args and self.no_args_is_help and not ctx.resilient_parsing:
            click.echo(ctx.get_help())
            ctx.exit(2)
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """An unknown command is said in the user's language."""
        if not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            ctx.fail(tr("there is no command {name}", name=args[0]))
        return super().resolve_command(ctx, args)


def usage_text(error: click.ClickException) -> str:
    """A mistake on the command line as one line: what, which, and where it is explained."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    name = _name(error)
    if isinstance(error, click.MissingParameter):
        said = tr("{name} is missing", name=name)
    elif isinstance(error, click.NoSuchOption):
        said = tr("there is no option {name}", name=error.option_name)
    elif isinstance(error, click.BadOptionUsage):
        said = tr("{name} cannot be used: {error}", name=error.option_name, error=error.message)
    elif error.message == "Missing command.":
        said = tr("a command is missing")
    elif isinstance(error, click.BadParameter):
        said = tr("{name} cannot be used: {error}", name=name, error=error.message)
    else:
        said = error.format_message()
    if context is not None:
        said = tr("{error}; `{command} --help` explains", error=said.rstrip("."),
                  command=context.command_path)  # fmt: skip
    return " ".join(said.split())


def _name(error: click.ClickException) -> str:
    if isinstance(error, click.BadParameter) and error.param is not None:
        return (
            "/".join(error.param.opts)
            if error.param.opts[0][0] == "-"
            else (error.param.make_metavar(error.ctx) if error.ctx else str(error.param.name))
        )
    return "-"


def _translated(text: str | None) -> str:
    return tr(text) if text else ""
