"""Tag queries: what an object's type and colour are called when somebody asks for it."""

from __future__ import annotations

TYPES = {
    "car": "汽车", "truck": "卡车", "van": "面包车", "bus": "公交车", "taxi": "出租车",
    "person": "人", "bicycle": "自行车", "motorcycle": "摩托车", "tricycle": "三轮车",
    "bottle": "瓶子", "table": "桌子", "chair": "椅子", "bag": "包", "box": "箱子",
    "umbrella": "雨伞", "sign": "标志牌", "tree": "树", "road": "道路", "building": "建筑物",
    "dog": "狗", "cat": "猫", "fire": "火", "smoke": "烟雾",
}  # fmt: skip
COLOURS = {
    "white": "白色", "black": "黑色", "grey": "灰色", "silver": "银色", "red": "红色",
    "green": "绿色", "blue": "蓝色", "yellow": "黄色", "orange": "橙色", "brown": "棕色",
    "purple": "紫色", "pink": "粉色", "turquoise": "青绿色",
}  # fmt: skip


def tag_query(kind: str, colour: str | None) -> dict[str, str] | None:
    """'en' and 'zh' text that asks for a tag; None when a word has no translation here."""
    if kind not in TYPES or (colour is not None and colour not in COLOURS):
        return None
    chinese = TYPES[kind]
    if colour is None:
        return {"en": f"{_article(kind)} {kind}", "zh": chinese}
    if kind == "person":
        return {"en": f"a person in {colour}", "zh": f"穿{COLOURS[colour]}衣服的人"}
    return {"en": f"{_article(colour)} {colour} {kind}", "zh": COLOURS[colour] + chinese}


def _article(word: str) -> str:
    return "an" if word[0] in "aeiou" else "a"
