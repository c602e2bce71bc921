"""Search's commands: name → module.attribute, imported when called."""

COMMANDS = {
    "search": "search.command", "query": "query.group", "mark": "mark.command",
    "standing": "standing.group", "shards": "shards.command",
}  # fmt: skip
