"""Storage's commands: name → module.attribute, imported when called."""

COMMANDS = {
    "init": "init.command",
    "camera": "camera.group",
    "segments": "segments.command",
    "gaps": "gaps.command",
    "status": "status.command",
    "retain": "retain.command",
    "hold": "hold.group",
    "forecast": "forecast.command",
    "check": "check.command",
    "rebuild": "rebuild.command",
    "scrub": "scrub.command",
    "user": "user.group",
    "case": "case.group",
    "audit": "audit.group",
}
