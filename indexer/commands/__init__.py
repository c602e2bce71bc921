"""The indexer's commands: name → module.attribute, imported when called."""

COMMANDS = {"index": "index.command", "looks": "looks.command", "model": "model.command"}
