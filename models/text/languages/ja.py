"""Japanese."""

from __future__ import annotations

from models.text.numbers.language import Language, pairs

JAPANESE = Language(
    "ja",
    point="点",
    minus="マイナス",
    percent="{}パーセント",
    date="{year}年{month}月{day}日",
    time="{hour}時{minute}分",
    full_hour="{hour}時",
    group=",",
    decimal=r"\.",
    space="",
    digits_after_point=True,
    currencies=pairs(
        """
        USD: ドル
        EUR: ユーロ
        GBP: ポンド
        JPY: 円
        """
    ),
    scales=pairs(
        """
        万: 万
        億: 億
        """
    ),
    units=pairs(
        """
        km: キロメートル
        m: メートル
        cm: センチメートル
        mm: ミリメートル
        kg: キログラム
        g: グラム
        mg: ミリグラム
        L l: リットル
        ml mL: ミリリットル
        km/h: キロメートル毎時
        m²: 平方メートル
        °C ℃: 度
        °: 度
        MB: メガバイト
        GB: ギガバイト
        """
    ),
    abbreviations={"&": "と"},
    range_to="から",
    codes="コードは|コード|暗証番号は|番号は|電話番号は|電話|便",
    number_sign="番号",
    signs={".": "ドット", "/": "スラッシュ", "@": "アットマーク", "-": "ハイフン", "_": "アンダーバー",
           "?": "クエスチョン", "=": "イコール", "&": "アンド", ":": "コロン", "#": "シャープ", "%": "パーセント",
           "+": "プラス"},
    math={"+": "足す", "=": "は", "×": "掛ける", "÷": "割る", "−": "引く"},
)  # fmt: skip
