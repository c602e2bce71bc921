"""The colours, things and deeds that scenes are made of, with their words in both languages."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from .arrays import Rgb

COLOURS: Mapping[str, Rgb] = MappingProxyType(
    {
        "red": (186.0, 28.0, 30.0),
        "blue": (32.0, 70.0, 168.0),
        "white": (226.0, 228.0, 226.0),
        "black": (26.0, 27.0, 31.0),
        "yellow": (226.0, 184.0, 30.0),
        "green": (34.0, 116.0, 60.0),
        "orange": (232.0, 108.0, 22.0),
        "grey": (126.0, 130.0, 134.0),
        "silver": (178.0, 182.0, 188.0),
        "brown": (98.0, 60.0, 36.0),
        "purple": (104.0, 46.0, 138.0),
        "pink": (226.0, 128.0, 168.0),
        "turquoise": (38.0, 172.0, 176.0),
    }
)

COLOURS_ZH: Mapping[str, str] = MappingProxyType(
    {
        "red": "红色",
        "blue": "蓝色",
        "white": "白色",
        "black": "黑色",
        "yellow": "黄色",
        "green": "绿色",
        "orange": "橙色",
        "grey": "灰色",
        "silver": "银色",
        "brown": "棕色",
        "purple": "紫色",
        "pink": "粉色",
        "turquoise": "青绿色",
    }
)

VEHICLES: Mapping[str, str] = MappingProxyType(
    {
        "car": "汽车",
        "van": "面包车",
        "truck": "卡车",
        "bus": "公交车",
        "motorcycle": "摩托车",
    }
)
"""Things that drive, English to Chinese."""

RIDDEN = ("bicycle", "motorcycle")
KINDS = (*VEHICLES, "bicycle", "person", "dog")

CARRYING: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "bag": ("carrying a bag", "提着包"),
        "umbrella": ("holding an umbrella", "打着伞"),
    }
)

ACTIONS: Mapping[str, Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "vehicle": MappingProxyType(
            {
                "driving": ("drives past", "驶过"),
                "arriving": ("drives in", "驶入"),
                "leaving": ("drives away", "驶离"),
                "turning": ("turns at the junction", "在路口转弯"),
                "stopped": ("stops and waits", "停车等候"),
            }
        ),
        "bicycle": MappingProxyType(
            {
                "riding": ("rides a bicycle", "骑自行车"),
            }
        ),
        "person": MappingProxyType(
            {
                "walking": ("walks past", "走过"),
                "running": ("runs past", "跑过"),
                "standing": ("stands waiting", "站着等候"),
                "fallen": ("has fallen and lies on the ground", "摔倒在地上"),
                "pushing a bicycle": ("pushes a bicycle", "推着自行车"),
            }
        ),
        "dog": MappingProxyType(
            {
                "walking": ("walks past", "走过"),
                "running": ("runs past", "跑过"),
            }
        ),
    }
)
"""What each family can do: action to (English predicate, Chinese predicate)."""

STILL_ACTIONS = ("stopped", "standing", "fallen")


def family(kind: str) -> str:
    """The key of `ACTIONS` for an object kind."""
    return "vehicle" if kind in VEHICLES else kind


def phrase(kind: str, colour: str, action: str, carrying: str | None) -> tuple[str, str]:
    """One English and one Chinese sentence for an object doing something."""
    deed_en, deed_zh = ACTIONS[family(kind)][action]
    colour_zh = COLOURS_ZH[colour]
    if kind in VEHICLES:
        article = "an" if colour[0] in "aeiou" else "a"
        return (f"{article} {colour} {kind} {deed_en}", f"一辆{colour_zh}{VEHICLES[kind]}{deed_zh}")
    if kind == "dog":
        article = "an" if colour[0] in "aeiou" else "a"
        return f"{article} {colour} dog {deed_en}", f"一只{colour_zh}的狗{deed_zh}"
    with_en, with_zh = CARRYING[carrying] if carrying else ("", "")
    en = f"a person in {colour} {deed_en} {with_en}".rstrip()
    return en, f"一个穿{colour_zh}衣服的人{with_zh}{deed_zh}"
