"""The background bank: everyday sentences that any picture resembles a little.

What they give to the pictures of an archive says where a model's cosines lie and how far apart:
the scale on which a description must fit better. They are about scenes, in both languages, and
name what such cameras see every day as well as what they never do.
"""

from __future__ import annotations

import hashlib

SENTENCES: tuple[str, ...] = (
    "a photo", "an image from a surveillance camera", "an empty street", "a road with cars",
    "a parking lot", "people walking on a pavement", "a building with windows", "a dark picture",
    "a blurred picture", "trees and grass", "a blue sky", "a wall", "a door", "a wet road at night",
    "street lamps", "a crowd of people", "a room with tables and chairs", "a corridor",
    "a staircase", "a shop window", "a bus at a stop", "a truck on a motorway", "a white car",
    "a black car", "a red car", "a blue car", "a silver car", "a van", "a motorcycle", "a bicycle",
    "a person riding a bicycle", "a person carrying a bag", "a person with an umbrella", "a dog",
    "a cat", "a bird", "a horse", "a boat on water", "a train at a station", "an aeroplane",
    "a beach", "a mountain", "a forest", "a river", "a bridge", "a field of flowers", "snow",
    "rain", "fog", "fire and smoke", "a flooded street", "a fallen tree", "an accident",
    "road works with barriers", "traffic lights", "a pedestrian crossing", "a roundabout",
    "a motorway seen from above", "a warehouse with boxes", "a loading dock", "a factory machine",
    "a conveyor belt", "bottles on a table", "fruit", "food on a plate", "a kitchen", "a bathroom",
    "a bedroom", "an office with computers", "a classroom", "a library with books", "a hospital",
    "a playground", "a football match", "a swimming pool", "a concert", "a statue", "a clock",
    "a map", "a page of text", "a screen showing numbers", "a drawing", "a portrait of a person",
    "a close-up of an object", "a toy", "a phone", "a chair", "a lamp", "a plant in a pot",
    "一张照片", "监控摄像机的画面", "空荡的街道", "有汽车的道路", "停车场", "人行道上的行人",
    "有窗户的建筑", "黑暗的画面", "模糊的画面", "树木和草地", "墙壁", "夜间湿滑的路面", "人群",
    "有桌椅的房间", "走廊", "商店橱窗", "公交车站", "高速公路上的货车", "白色汽车", "黑色汽车",
    "红色汽车", "蓝色汽车", "面包车", "摩托车", "自行车", "骑自行车的人", "提着包的人", "打伞的人",
    "狗", "猫", "船", "火车站", "海滩", "山", "森林", "河流", "桥", "雪", "雨", "雾", "火和烟",
    "被水淹的街道", "施工围挡", "红绿灯", "人行横道", "仓库里的箱子", "传送带", "桌上的瓶子",
    "水果", "厨房", "办公室里的电脑", "教室", "操场", "足球比赛", "钟", "一页文字", "一幅画",
)  # fmt: skip


def bank_hash() -> str:
    """SHA-256 hex of the bank: a cached embedding of another bank is not used."""
    return hashlib.sha256("\0".join(SENTENCES).encode()).hexdigest()
