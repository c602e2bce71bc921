"""Command → module.attribute, imported when called."""

COMMANDS = {
    "export": "export.command",
    "verify": "verify.command",
    "certificate": "certificate.group",
}
