"""Command → module.attribute, imported when called."""

COMMANDS = {
    "export": "export.command",
    "exhibit": "exhibit.group",
    "redact": "redact.command",
    "verify": "verify.command",
    "certificate": "certificate.group",
}
