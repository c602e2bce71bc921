"""What nano is taught to call things: for each key, English and Chinese names, usual one first.

Nothing here tells people apart: "man", "woman" and their like are taught as other words for
person, so that they are understood and distinguish nobody.
"""

from __future__ import annotations

Names = tuple[tuple[str, ...], tuple[str, ...]]  # English, Chinese

KINDS: dict[str, Names] = {
    "car": (
        ("car", "automobile", "sedan", "hatchback", "SUV"),
        ("汽车", "轿车", "小汽车", "小轿车", "越野车"),
    ),
    "van": (
        ("van", "panel van", "minivan", "delivery van"),
        ("面包车", "厢式车", "小货车", "厢式面包车"),
    ),
    "truck": (
        ("truck", "lorry", "box truck", "goods vehicle", "pickup truck"),
        ("卡车", "货车", "大货车", "厢式货车", "皮卡"),
    ),
    "bus": (("bus", "coach", "city bus"), ("公交车", "巴士", "大巴", "客车")),
    "taxi": (("taxi", "cab"), ("出租车", "的士")),
    "motorcycle": (
        ("motorcycle", "motorbike", "scooter", "moped"),
        ("摩托车", "电动车", "机车"),
    ),
    "bicycle": (("bicycle", "bike", "cycle"), ("自行车", "单车", "脚踏车")),
    "person": (
        ("person", "pedestrian", "someone", "man", "woman", "figure"),
        ("人", "行人", "路人", "男子", "女子", "人员"),
    ),
    "dog": (("dog", "animal"), ("狗", "动物", "犬")),
    "bottle": (("bottle", "water bottle"), ("瓶子", "水瓶")),
    "table": (("table", "desk", "tabletop"), ("桌子", "桌", "桌面")),
    "chair": (("chair", "seat"), ("椅子", "座椅")),
    "bag": (("bag", "backpack", "handbag"), ("包", "背包", "提包")),
    "box": (("box", "crate", "carton"), ("箱子", "纸箱")),
    "umbrella": (("umbrella", "parasol"), ("雨伞", "伞")),
    "sign": (("sign", "road sign", "signboard"), ("标志牌", "路牌", "指示牌")),
    "tree": (("tree", "bush", "shrubs"), ("树", "灌木", "树木")),
    "road": (("road", "roadway", "asphalt"), ("道路", "马路", "路面")),
    "building": (("building", "house"), ("建筑物", "房子", "楼房")),
}
"""Things that can be pointed at."""

VEHICLES = ("car", "van", "truck", "bus", "taxi", "motorcycle")
VEHICLE: Names = (("vehicle", "motor vehicle"), ("车辆", "机动车", "车"))
"""What any of `VEHICLES` may also be called."""

PLURALS = {"person": "people", "bus": "buses", "taxi": "taxis", "box": "boxes"}
"""English plurals that do not just add an s."""

COLOURS: dict[str, Names] = {
    "white": (("white",), ("白色",)),
    "black": (("black", "dark"), ("黑色", "深色")),
    "grey": (("grey", "gray"), ("灰色",)),
    "silver": (("silver",), ("银色",)),
    "red": (("red",), ("红色",)),
    "green": (("green",), ("绿色",)),
    "blue": (("blue",), ("蓝色",)),
    "yellow": (("yellow",), ("黄色",)),
    "orange": (("orange",), ("橙色", "橘色")),
    "brown": (("brown",), ("棕色", "褐色")),
    "purple": (("purple", "violet"), ("紫色",)),
    "pink": (("pink",), ("粉色", "粉红色")),
    "turquoise": (("turquoise", "teal"), ("青绿色", "青色")),
}

DEEDS: dict[str, Names] = {
    "walking": (("walking", "walking past", "on foot"), ("走过", "步行", "走路")),
    "running": (("running", "running past"), ("跑过", "奔跑")),
    "standing": (("standing", "standing still", "waiting"), ("站着", "站立", "等候")),
    "fallen": (
        ("lying on the ground", "fallen on the ground", "who has fallen down"),
        ("摔倒在地上", "倒在地上", "躺在地上", "摔倒", "倒地"),
    ),
    "riding": (("riding a bicycle", "cycling"), ("骑自行车", "骑车")),
    "pushing": (("pushing a bicycle", "walking a bike"), ("推着自行车", "推自行车")),
}
"""What people are seen doing."""

CARRYING: dict[str, Names] = {
    "bag": (("carrying a bag", "with a bag"), ("提着包", "背着包")),
    "umbrella": (("holding an umbrella", "with an umbrella"), ("打着伞", "撑着雨伞", "打伞")),
}

PLACES: dict[str, Names] = {
    "street": (("street", "city street", "road"), ("街道", "城市街道", "街上")),
    "motorway": (("motorway", "highway", "dual carriageway"), ("高速公路", "快速路", "公路")),
    "intersection": (("intersection", "junction", "crossroads"), ("路口", "十字路口", "交叉口")),
    "parking lot": (("parking lot", "car park"), ("停车场", "停车位")),
    "yard": (("yard", "loading yard", "industrial yard"), ("货场", "院子", "装卸场")),
    "square": (("square", "plaza", "paved square"), ("广场", "空地")),
    "room": (("indoor room", "room", "hall"), ("室内房间", "房间", "大厅")),
    "classroom": (("classroom", "class"), ("教室", "课堂")),
    "conveyor belt": (("conveyor belt", "belt"), ("传送带", "输送带")),
    "tabletop": (("tabletop", "table top"), ("桌面", "台面")),
}

LIGHTS: dict[str, Names] = {
    "day": (("by day", "in daylight", "during the day"), ("白天", "日间")),
    "dusk": (("at dusk", "in the evening", "at twilight"), ("傍晚", "黄昏")),
    "night": (("at night", "after dark", "in the dark"), ("夜间", "夜晚", "晚上", "夜里")),
    "indoor": (("indoors", "inside a building"), ("室内", "屋内")),
}

WEATHERS: dict[str, Names] = {
    "sunny": (("sunshine", "sunny weather", "clear weather"), ("晴天", "阳光", "晴朗")),
    "overcast": (("overcast sky", "cloudy weather"), ("阴天", "多云")),
    "wet": (("wet road", "wet ground", "wet surface"), ("湿路面", "潮湿的地面", "湿滑路面")),
    "rain": (("rain", "rainy weather", "raining"), ("下雨", "雨天", "雨")),
    "fog": (("fog", "foggy weather", "mist"), ("雾", "大雾", "雾天")),
    "snow": (("snow", "snowy weather", "snow-covered ground"), ("雪", "下雪", "积雪")),
}

EVENTS: dict[str, Names] = {
    "smoke": (("smoke", "thick smoke", "a plume of smoke"), ("烟雾", "浓烟", "冒烟", "烟")),
    "fire": (("fire", "flames", "something burning"), ("火", "着火", "火焰")),
    "flood": (("flood", "flooded road", "flooding"), ("积水", "水淹", "洪水")),
    "collision": (
        ("collision", "crash", "traffic accident"),
        ("相撞", "交通事故", "碰撞"),
    ),
}

DENSITIES: dict[str, Names] = {
    "empty": (
        ("empty", "with nobody there", "without any vehicles"),
        ("空无一人", "空荡", "没有车辆"),
    ),
    "traffic": (
        ("heavy traffic", "traffic jam", "many vehicles", "a queue of vehicles"),
        ("车流密集", "拥堵", "很多车", "车辆排队"),
    ),
    "crowd": (("crowd", "many people", "a group of people"), ("人群", "很多人", "一群人")),
}

VIEWS: dict[str, Names] = {
    "street level": (("seen from street level", "at street level"), ("平视", "街面视角")),
    "oblique": (("seen from a roof", "seen from a tall pole"), ("斜上方看到", "从高处看到")),
    "overhead": (
        ("seen from above", "overhead view", "top view"),
        ("从上方看到", "俯视", "俯视角度"),
    ),
}

VEHICLE_DEEDS: dict[str, Names] = {
    "driving": (("driving", "driving past", "moving"), ("行驶", "驶过", "开过")),
    "parked": (("parked", "standing still", "stopped"), ("停着", "停放", "停车")),
}
