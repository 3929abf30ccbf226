"""French."""

from __future__ import annotations

from models.text.lists import names
from models.text.numbers.language import SPACE, Language, french_plural, pairs

FRENCH = Language(
    "fr",
    point="virgule",
    minus="moins",
    percent="{} pour cent",
    date="{day} {month} {year}",
    day_month="{day} {month}",
    time="{hour} {minute}",
    full_hour="{hour}",
    group=SPACE,
    decimal=",",
    months=names("janvier février mars avril mai juin juillet août septembre octobre novembre décembre"),
    month_pattern=(
        "janv(?:ier|\\.)|févr?(?:ier|\\.)|mars|avr(?:il|\\.)|mai|juin|juil(?:let|\\.)|août|sept(?:embre|\\.)|"
        "oct(?:obre|\\.)|nov(?:embre|\\.)|déc(?:embre|\\.)"
    ),
    plural=french_plural,
    currencies=pairs(
        """
        USD: un dollar|dollars
        EUR: un euro|euros
        GBP: une livre|livres
        JPY: un yen|yens
        CNY: un yuan|yuans
        INR: une roupie|roupies
        CHF: un franc|francs
        """
    ),
    cents=pairs(
        """
        USD EUR: un centime|centimes
        CHF: un centime|centimes
        GBP: un penny|pence
        """
    ),
    scales=pairs(
        """
        mille k: mille
        million millions M: millions
        milliard milliards Md Mds: milliards
        """
    ),
    units=pairs(
        """
        km: un kilomètre|kilomètres
        m: un mètre|mètres
        cm: un centimètre|centimètres
        mm: un millimètre|millimètres
        kg: un kilogramme|kilogrammes
        g: un gramme|grammes
        mg: un milligramme|milligrammes
        t: une tonne|tonnes
        l L: un litre|litres
        ml mL: un millilitre|millilitres
        km/h: un kilomètre heure|kilomètres heure
        m/s: un mètre par seconde|mètres par seconde
        km² km2: un kilomètre carré|kilomètres carrés
        m² m2: un mètre carré|mètres carrés
        m³ m3: un mètre cube|mètres cubes
        °C ℃: un degré Celsius|degrés Celsius
        °F ℉: un degré Fahrenheit|degrés Fahrenheit
        °: un degré|degrés
        h: une heure|heures
        min mn: une minute|minutes
        s: une seconde|secondes
        ms: une milliseconde|millisecondes
        Ko KB kB: un kilooctet|kilooctets
        Mo MB: un mégaoctet|mégaoctets
        Go GB: un gigaoctet|gigaoctets
        To TB: un téraoctet|téraoctets
        Hz: un hertz|hertz
        kHz: un kilohertz|kilohertz
        MHz: un mégahertz|mégahertz
        GHz: un gigahertz|gigahertz
        W: un watt|watts
        kW: un kilowatt|kilowatts
        kWh: un kilowattheure|kilowattheures
        V: un volt|volts
        dB: un décibel|décibels
        kcal: une kilocalorie|kilocalories
        """
    ),
    abbreviations={
        "M.": "Monsieur", "MM.": "Messieurs", "Mme": "Madame", "Mmes": "Mesdames",
        "Mlle": "Mademoiselle", "Dr": "Docteur", "n°": "numéro",
        "N°": "numéro", "p. ex.": "par exemple", "p.ex.": "par exemple", "c.-à-d.": "c'est-à-dire",
        "St": "Saint", "Ste": "Sainte", "av.": "avenue", "bd": "boulevard", "env.": "environ", "tél.": "téléphone",
        "etc.": "et cetera.", "&": "et",
    },
    range_to="à",
    codes="code|code postal|chambre|salle|vol|poste|mot de passe|pin|compte|téléphone",
    number_sign="numéro",
    half="et demi",
    fractions={"1/2": "un demi", "1/3": "un tiers", "2/3": "deux tiers", "1/4": "un quart", "3/4": "trois quarts"},
    signs={".": "point", "/": "slash", "@": "arobase", "-": "tiret", "_": "tiret bas", "?": "point d'interrogation",
           "=": "égale", "&": "et", ":": "deux points", "#": "dièse", "%": "pour cent", "+": "plus", "~": "tilde",
           "\\": "antislash"},
    math={"+": "plus", "=": "égale", "×": "fois", "*": "fois", "÷": "divisé par", "<": "est inférieur à",
          ">": "est supérieur à", "±": "plus ou moins", "−": "moins", "≈": "environ"},
)  # fmt: skip
