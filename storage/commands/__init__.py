"""Storage's commands: name → module.attribute, imported when called."""

COMMANDS = {
    "init": "init.command",
    "camera": "camera.group",
    "segments": "segments.command",
    "gaps": "gaps.command",
    "events": "events.command",
    "clock": "clock.group",
    "status": "status.command",
    "retain": "retain.command",
    "hold": "hold.group",
    "forecast": "forecast.command",
    "violations": "violations.command",
    "check": "check.command",
    "rebuild": "rebuild.command",
    "scrub": "scrub.command",
    "seal": "seal.group",
    "user": "user.group",
    "case": "case.group",
    "audit": "audit.group",
}
