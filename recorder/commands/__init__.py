"""The recorder's commands: name → module.attribute, imported when called."""

COMMANDS = {"record": "record.command", "import": "intake.command"}
