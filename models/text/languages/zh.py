"""Chinese."""

from __future__ import annotations

from models.text.numbers.language import Language, pairs

CHINESE = Language(
    "zh",
    point="点",
    minus="负",
    percent="百分之{}",
    date="{year}年{month}月{day}日",
    time="{hour}点{minute}分",
    full_hour="{hour}点",
    group=",",
    decimal=r"\.",
    space="",
    digits_after_point=True,
    currencies=pairs(
        """
        CNY JPY: 元
        USD: 美元
        EUR: 欧元
        GBP: 英镑
        """
    ),
    scales=pairs(
        """
        万 萬: 万
        亿 億: 亿
        """
    ),
    units=pairs(
        """
        km 公里: 公里
        m: 米
        cm: 厘米
        mm: 毫米
        kg: 公斤
        g: 克
        mg: 毫克
        L l: 升
        ml mL: 毫升
        km/h: 公里每小时
        m²: 平方米
        °C ℃: 摄氏度
        °F ℉: 华氏度
        °: 度
        MB: 兆字节
        GB: 吉字节
        kW: 千瓦
        """
    ),
    abbreviations={"&": "和"},
    range_to="到",
    codes="验证码是|验证码为|验证码|密码是|密码|编号|房间号|电话是|电话号码是|电话|手机号|航班|门牌",
    number_sign="号",
    signs={".": "点", "/": "斜杠", "@": "艾特", "-": "杠", "_": "下划线", "?": "问号", "=": "等于", "&": "和",
           ":": "冒号", "#": "井号", "%": "百分号", "+": "加号"},
    math={"+": "加", "=": "等于", "×": "乘以", "*": "乘以", "÷": "除以", "<": "小于", ">": "大于", "−": "减"},
)  # fmt: skip
