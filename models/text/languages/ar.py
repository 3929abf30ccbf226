"""Arabic."""

from __future__ import annotations

from models.text.lists import names
from models.text.numbers.language import Language, pairs

ARABIC = Language(
    "ar",
    point="فاصلة",
    minus="سالب",
    percent="{} بالمئة",
    date="{day} {month} {year}",
    day_month="{day} {month}",
    time="{hour} و {minute}",
    group=",",
    decimal=r"\.",
    months=names("يناير فبراير مارس أبريل مايو يونيو يوليو أغسطس سبتمبر أكتوبر نوفمبر ديسمبر"),
    month_pattern="يناير|فبراير|مارس|أبريل|مايو|يونيو|يوليو|أغسطس|سبتمبر|أكتوبر|نوفمبر|ديسمبر",
    currencies=pairs(
        """
        USD: دولار
        EUR: يورو
        GBP: جنيه
        """
    ),
    cents=pairs(
        """
        USD EUR: سنت
        """
    ),
    scales=pairs(
        """
        ألف: ألف
        مليون: مليون
        مليار: مليار
        """
    ),
    units=pairs(
        """
        كم km: كيلومتر
        م m: متر
        سم cm: سنتيمتر
        كجم كغ kg: كيلوغرام
        غ g: غرام
        °C ℃: درجة مئوية
        °: درجة
        """
    ),
    abbreviations={"د.": "دكتور", "إلخ.": "إلى آخره.", "&": "و"},
    range_to="إلى",
    codes="رمز|الرمز|غرفة|رحلة|هاتف",
    number_sign="رقم",
    signs={".": "نقطة", "/": "شرطة مائلة", "@": "آت", "-": "شرطة", "_": "شرطة سفلية", "?": "علامة استفهام",
           "=": "يساوي", "&": "و", ":": "نقطتان", "#": "مربع", "%": "بالمئة", "+": "زائد"},
    math={"+": "زائد", "=": "يساوي", "×": "ضرب", "*": "ضرب", "÷": "على", "−": "ناقص"},
)  # fmt: skip
