"""Search's commands: name → module.attribute, imported when called."""

COMMANDS = {"search": "search.command"}
