"""Korean."""

from __future__ import annotations

from models.text.lists import names
from models.text.numbers.language import Language, pairs

KOREAN = Language(
    "ko",
    point="점",
    minus="마이너스",
    percent="{} 퍼센트",
    date="{year}년 {month}월 {day}일",
    time="{hour}시 {minute}분",
    full_hour="{hour}시",
    group=",",
    decimal=r"\.",
    digits_after_point=True,
    months=names("일 이 삼 사 오 유 칠 팔 구 시 십일 십이"),
    currencies=pairs(
        """
        USD: 달러
        EUR: 유로
        GBP: 파운드
        KRW: 원
        JPY: 엔
        """
    ),
    scales=pairs(
        """
        만: 만
        억: 억
        """
    ),
    units=pairs(
        """
        km: 킬로미터
        m: 미터
        cm: 센티미터
        mm: 밀리미터
        kg: 킬로그램
        g: 그램
        mg: 밀리그램
        L l: 리터
        ml mL: 밀리리터
        km/h: 킬로미터
        m² ㎡: 제곱미터
        °C ℃: 도
        °: 도
        MB: 메가바이트
        GB: 기가바이트
        """
    ),
    abbreviations={"&": "앤"},
    range_to="에서",
    codes="코드는|코드|비밀번호는|번호는|전화번호는|전화|호실",
    number_sign="번호",
    signs={".": "점", "/": "슬래시", "@": "골뱅이", "-": "하이픈", "_": "밑줄", "?": "물음표", "=": "이퀄", "&": "앤드",
           ":": "콜론", "#": "샵", "%": "퍼센트", "+": "플러스"},
    math={"+": "더하기", "=": "는", "×": "곱하기", "÷": "나누기", "−": "빼기"},
)  # fmt: skip
