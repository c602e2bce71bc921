"""Commands of the web room."""

COMMANDS = {"serve": "serve.command", "demo": "demo.command"}
