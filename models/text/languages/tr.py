"""Turkish."""

from __future__ import annotations

from models.text.lists import names
from models.text.numbers.language import Language, pairs

TURKISH = Language(
    "tr",
    point="virgül",
    minus="eksi",
    percent="yüzde {}",
    date="{day} {month} {year}",
    day_month="{day} {month}",
    time="{hour} {minute}",
    months=names("Ocak Şubat Mart Nisan Mayıs Haziran Temmuz Ağustos Eylül Ekim Kasım Aralık"),
    month_pattern="Ocak|Şubat|Mart|Nisan|Mayıs|Haziran|Temmuz|Ağustos|Eylül|Ekim|Kasım|Aralık",
    currencies=pairs(
        """
        USD: dolar
        EUR: avro
        GBP: sterlin
        TRY: lira
        """
    ),
    cents=pairs(
        """
        TRY: kuruş
        USD EUR: sent
        """
    ),
    scales=pairs(
        """
        bin: bin
        milyon mn: milyon
        milyar mr: milyar
        """
    ),
    units=pairs(
        """
        km: kilometre
        m: metre
        cm: santimetre
        mm: milimetre
        kg: kilogram
        g gr: gram
        mg: miligram
        l L: litre
        ml: mililitre
        km/s km/sa: kilometre saat
        m²: metrekare
        °C ℃: santigrat derece
        °F ℉: fahrenhayt derece
        °: derece
        dk: dakika
        sn: saniye
        KB: kilobayt
        MB: megabayt
        GB: gigabayt
        TL: lira
        """
    ),
    abbreviations={"Dr.": "Doktor", "Prof.": "Profesör", "vb.": "ve benzeri.", "vs.": "vesaire.", "No.": "numara",
                   "örn.": "örneğin", "&": "ve"},
    codes="kod|kodu|kodunuz|şifre|şifreniz|oda|uçuş|dahili|pin|telefon",
    number_sign="numara",
    signs={".": "nokta", "/": "eğik çizgi", "@": "et", "-": "tire", "_": "alt çizgi", "?": "soru işareti",
           "=": "eşittir", "&": "ve", ":": "iki nokta", "#": "kare", "%": "yüzde", "+": "artı"},
    math={"+": "artı", "=": "eşittir", "×": "çarpı", "*": "çarpı", "÷": "bölü", "<": "küçüktür", ">": "büyüktür",
          "−": "eksi"},
)  # fmt: skip
