"""A small procedural street: made camera clips with known truth, for the demo, tests and training.

`standard_scenes` gives six cameras, `render_scene` writes a clip with its truth, and
`render_picture` returns one picture of a scene. Scenes and actors are plain data (`spec`).
"""

from __future__ import annotations

from .clip import render_scene, truth_path
from .picture import render_picture
from .spec import Actor, Leg, SceneSpec, Setting, View
from .standard import standard_scenes
from .truth import Event, SceneTruth

__all__ = [
    "Actor",
    "Event",
    "Leg",
    "SceneSpec",
    "SceneTruth",
    "Setting",
    "View",
    "render_picture",
    "render_scene",
    "standard_scenes",
    "truth_path",
]
