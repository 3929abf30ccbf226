"""Polish."""

from __future__ import annotations

from models.text.lists import names
from models.text.numbers.language import SPACE, Language, pairs, polish_plural

POLISH = Language(
    "pl",
    point="przecinek",
    minus="minus",
    percent="{} procent",
    date="{day} {month} {year}",
    day_month="{day} {month}",
    time="{hour} {minute}",
    group=SPACE,
    decimal=",",
    months=names("stycznia lutego marca kwietnia maja czerwca lipca sierpnia września października listopada grudnia"),
    month_pattern="stycznia|lutego|marca|kwietnia|maja|czerwca|lipca|sierpnia|września|października|listopada|grudnia",
    plural=polish_plural,
    currencies=pairs(
        """
        PLN: jeden złoty|złote|złotych
        USD: jeden dolar|dolary|dolarów
        EUR: jedno euro|euro|euro
        GBP: jeden funt|funty|funtów
        """
    ),
    cents=pairs(
        """
        PLN: jeden grosz|grosze|groszy
        USD EUR: jeden cent|centy|centów
        """
    ),
    scales=pairs(
        """
        tys. tysięcy: tysięcy
        mln milionów miliony: milionów
        mld miliardów: miliardów
        """
    ),
    units=pairs(
        """
        km: jeden kilometr|kilometry|kilometrów
        m: jeden metr|metry|metrów
        cm: jeden centymetr|centymetry|centymetrów
        mm: jeden milimetr|milimetry|milimetrów
        kg: jeden kilogram|kilogramy|kilogramów
        g: jeden gram|gramy|gramów
        mg: jeden miligram|miligramy|miligramów
        l: jeden litr|litry|litrów
        ml: jeden mililitr|mililitry|mililitrów
        km/h: jeden kilometr na godzinę|kilometry na godzinę|kilometrów na godzinę
        m²: jeden metr kwadratowy|metry kwadratowe|metrów kwadratowych
        °C ℃: jeden stopień Celsjusza|stopnie Celsjusza|stopni Celsjusza
        °F ℉: jeden stopień Fahrenheita|stopnie Fahrenheita|stopni Fahrenheita
        °: jeden stopień|stopnie|stopni
        min: jedna minuta|minuty|minut
        godz.: jedna godzina|godziny|godzin
        s: jedna sekunda|sekundy|sekund
        KB kB: jeden kilobajt|kilobajty|kilobajtów
        MB: jeden megabajt|megabajty|megabajtów
        GB: jeden gigabajt|gigabajty|gigabajtów
        """
    ),
    abbreviations={
        "np.": "na przykład", "tzn.": "to znaczy", "ul.": "ulica", "al.": "aleja", "dr": "doktor", "prof.": "profesor",
        "nr": "numer", "tel.": "telefon", "ok.": "około", "m.in.": "między innymi", "itd.": "i tak dalej.",
        "itp.": "i tym podobne.", "&": "i",
    },
    range_to="do",
    codes="kod|pin|pokój|lot|hasło|numer|wewnętrzny|telefon",
    number_sign="numer",
    signs={".": "kropka", "/": "ukośnik", "@": "małpa", "-": "myślnik", "_": "podkreślnik", "?": "znak zapytania",
           "=": "równa się", "&": "i", ":": "dwukropek", "#": "kratka", "%": "procent", "+": "plus"},
    math={"+": "plus", "=": "równa się", "×": "razy", "*": "razy", "÷": "podzielić przez", "<": "jest mniejsze niż",
          ">": "jest większe niż", "−": "minus"},
)  # fmt: skip
