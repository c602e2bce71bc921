"""Writes docs/ref from the code, in both languages: `python docs/generate.py`.

tests/house/test_docs.py fails when what is committed differs from what this would write.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import click

REF = Path(__file__).parent / "ref"
ROOT = REF.parents[1]
sys.path.insert(0, str(ROOT))

from pydantic import BaseModel  # noqa: E402
from pydantic_core import PydanticUndefined  # noqa: E402

from hindsight import cli  # noqa: E402
from storage.directory import init_directory  # noqa: E402
from storage.errors import KINDS  # noqa: E402
from storage.i18n import LANGUAGES, use_language  # noqa: E402
from storage.settings import Settings, WebhookSettings  # noqa: E402
from web.app import create_app  # noqa: E402

TITLES = {
    "en": ("Commands", "Generated from the code by `python docs/generate.py`; do not edit."),
    "zh": ("命令", "由 `python docs/generate.py` 从代码生成，请勿手改。"),
}
ERRORS = {
    "en": ("Errors", "One line on stderr, or one RFC 9457 problem document: what, which,"
        " what happens next.",
           ("exit", "HTTP", "kind", "when")),
    "zh": ("错误", "命令行为标准错误上的一行，HTTP 为一份 RFC 9457 问题文档："
        "何事、何物、接下来怎样。",
           ("退出码", "HTTP", "类别", "何时")),
}  # fmt: skip
KIND_ZH = {
    "not-found": "所指的摄像机、录像片段、案件等不存在",
    "invalid": "输入无法理解或超出范围",
    "conflict": "现状不允许：已存在、已被改动、或属于另一版本",
    "denied": "不允许，或身份无法确认",
    "unavailable": "摄像机、存储卷、模型或端口此刻无法使用",
    "resource-exhausted": "磁盘、内存或配额用尽",
    "data-loss": "录像或事实损坏或缺失",
    "held": "保全不允许",
}


def commands(group: click.Group, ctx: click.Context, words: str) -> Iterator[tuple[str, str]]:
    """('hindsight hold add', its help) for every command, depth first."""
    for name in group.list_commands(ctx):
        command = group.get_command(ctx, name)
        if command is None:
            continue
        inner = click.Context(command, info_name=name, parent=ctx)
        yield f"{words} {name}", command.get_help(inner)
        if isinstance(command, click.Group):
            yield from commands(command, inner, f"{words} {name}")


def commands_page(lang: str) -> str:
    """All commands with their help, as they print it."""
    use_language(lang)
    title, note = TITLES[lang]
    root = click.Context(cli, info_name="hindsight", terminal_width=96, max_content_width=96)
    lines = [f"# {title}", "", note, "", "```", cli.get_help(root), "```", ""]
    for words, text in commands(cli, root, "hindsight"):
        lines += [f"## `{words}`", "", "```", text.strip(), "```", ""]
    return "\n".join(lines)


def settings_page() -> str:
    """Every setting with type, default and meaning."""
    lines = [
        "# Settings",
        "",
        "`hindsight.toml` in the data directory or beside it, or the file named by"
        f" `HINDSIGHT_CONFIG`. An unknown key is an error. {TITLES['en'][1]}",
        "",
    ]  # fmt: skip
    for name, field in Settings.model_fields.items():
        default = field.get_default(call_default_factory=True)
        title = f"{name}.NAME" if isinstance(default, dict) else name
        if name == "webhooks":  # there is none by default
            model, kind = None, WebhookSettings
        else:
            model = next(iter(default.values())) if name == "volumes" else default
            assert isinstance(model, BaseModel)
            kind = type(model)
        lines += [f"## [{title}]", "", "| key | default | meaning |", "|---|---|---|"]
        for key, inner in kind.model_fields.items():
            value = inner.get_default() if model is None else getattr(model, key)
            value = None if value is PydanticUndefined else value
            lines.append(f"| `{key}` | `{'' if value is None else value}` | {inner.description} |")
        lines.append("")
    return "\n".join(lines)


def errors_page(lang: str) -> str:
    """Exit codes and HTTP statuses, from the one table."""
    title, note, heads = ERRORS[lang]
    lines = [f"# {title}", "", note, "", "| " + " | ".join(heads) + " |", "|---|---|---|---|"]
    for kind in KINDS:
        meaning = (kind.__doc__ or "").strip().splitlines()[0]
        text = meaning if lang == "en" else KIND_ZH[kind.kind]
        lines.append(f"| {kind.exit_code} | {kind.http_status} | {kind.kind} | {text} |")
    return "\n".join(lines) + "\n"


HTTP_NOTE = """\
`hindsight serve` listens on loopback unless told otherwise; put a TLS proxy in front to reach it \
from elsewhere.

- **Login.** Everything but `/login`, `/static/` and `/healthz` wants a session: the cookie that \
`POST /login` (pages) or `POST /api/v1/session` (JSON `{"user", "password"}`) sets. It is HttpOnly \
and SameSite=Strict; the token is kept on the server as a hash only.
- **Changing anything** (POST, DELETE) wants the token that the session answers as `csrf_token`, \
in the header `X-CSRF-Token` (forms carry it in a field).
- **Rights** go by role and verb; a refusal is 403. Every look is in the audit chain before its \
bytes leave.
- **Errors** under `/api/v1/` are RFC 9457 problem documents (`application/problem+json`); kinds \
and statuses are in [errors.md](errors.md).
- **Shapes** of requests and answers: `GET /api/v1/openapi.json` (OpenAPI 3.1). They are those of \
the commands' `--json`.
- Times are RFC 3339 with a zone; answers are UTC with microseconds.
"""


def http_page() -> str:
    """Every route of the application with its methods and what it does."""
    with TemporaryDirectory() as folder:
        directory, _ = init_directory(Path(folder) / "data")
        app = create_app(directory)
        rows = [
            (rule.rule, ", ".join(sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})),
             (app.view_functions[rule.endpoint].__doc__ or "").strip().splitlines()[0])
            for rule in app.url_map.iter_rules()
            if rule.endpoint != "static"
        ]  # fmt: skip
        directory.close()
    lines = ["# HTTP", "", TITLES["en"][1], "", HTTP_NOTE]
    for title, is_api in (("JSON API", True), ("Pages and media", False)):
        lines += [f"## {title}", "", "| method | address | what |", "|---|---|---|"]
        lines += [
            f"| {methods} | `{rule}` | {what} |"
            for rule, methods, what in sorted(rows)
            if rule.startswith("/api/") is is_api
        ]
        lines.append("")
    return "\n".join(lines)


def pages() -> dict[Path, str]:
    """File → what it must hold."""
    made = {REF / "settings.md": settings_page(), REF / "http.md": http_page()}
    for lang in LANGUAGES:
        suffix = "" if lang == "en" else f".{lang}"
        made[REF / f"commands{suffix}.md"] = commands_page(lang)
        made[REF / f"errors{suffix}.md"] = errors_page(lang)
    use_language("en")
    return made


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
