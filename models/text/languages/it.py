"""Italian."""

from __future__ import annotations

from models.text.lists import names
from models.text.numbers.language import Language, pairs

ITALIAN = Language(
    "it",
    point="virgola",
    minus="meno",
    percent="{} per cento",
    date="{day} {month} {year}",
    day_month="{day} {month}",
    time="{hour} e {minute}",
    months=names("gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre"),
    month_pattern="gennaio|febbraio|marzo|aprile|maggio|giugno|luglio|agosto|settembre|ottobre|novembre|dicembre",
    attributive=(("uno", "un"),),
    currencies=pairs(
        """
        USD: un dollaro|dollari
        EUR: un euro|euro
        GBP: una sterlina|sterline
        JPY: uno yen|yen
        """
    ),
    cents=pairs(
        """
        USD EUR: un centesimo|centesimi
        GBP: un penny|pence
        """
    ),
    money_and=" e ",
    scales=pairs(
        """
        mila k: mila
        milione milioni M Mln mln: milioni di
        miliardo miliardi Mld mld: miliardi di
        """
    ),
    units=pairs(
        """
        km: un chilometro|chilometri
        m: un metro|metri
        cm: un centimetro|centimetri
        mm: un millimetro|millimetri
        kg: un chilogrammo|chilogrammi
        g: un grammo|grammi
        mg: un milligrammo|milligrammi
        t: una tonnellata|tonnellate
        l L: un litro|litri
        ml mL: un millilitro|millilitri
        km/h: un chilometro all'ora|chilometri all'ora
        m/s: un metro al secondo|metri al secondo
        km² km2: un chilometro quadrato|chilometri quadrati
        m² m2 mq: un metro quadrato|metri quadrati
        m³ m3: un metro cubo|metri cubi
        °C ℃: un grado Celsius|gradi Celsius
        °F ℉: un grado Fahrenheit|gradi Fahrenheit
        °: un grado|gradi
        h: un'ora|ore
        min: un minuto|minuti
        s sec: un secondo|secondi
        ms: un millisecondo|millisecondi
        KB kB: un kilobyte|kilobyte
        MB: un megabyte|megabyte
        GB: un gigabyte|gigabyte
        TB: un terabyte|terabyte
        Hz: un hertz|hertz
        kHz: un kilohertz|kilohertz
        MHz: un megahertz|megahertz
        GHz: un gigahertz|gigahertz
        W: un watt|watt
        kW: un kilowatt|kilowatt
        V: un volt|volt
        dB: un decibel|decibel
        kcal: una chilocaloria|chilocalorie
        """
    ),
    abbreviations={
        "Sig.": "signor", "Sig.ra": "signora", "Dott.": "dottor", "Dott.ssa": "dottoressa", "Dr.": "dottor",
        "Prof.": "professor", "Ing.": "ingegner", "Avv.": "avvocato", "ad es.": "ad esempio", "es.": "esempio",
        "n.": "numero", "pag.": "pagina", "ecc.": "eccetera.", "&": "e",
    },
    range_to="a",
    codes="codice|camera|stanza|volo|interno|password|pin|cap|conto|telefono",
    number_sign="numero",
    half="e mezzo",
    fractions={"1/2": "un mezzo", "1/3": "un terzo", "2/3": "due terzi", "1/4": "un quarto", "3/4": "tre quarti"},
    signs={".": "punto", "/": "barra", "@": "chiocciola", "-": "trattino", "_": "trattino basso",
           "?": "punto interrogativo", "=": "uguale", "&": "e", ":": "due punti", "#": "cancelletto", "%": "per cento",
           "+": "più", "~": "tilde", "\\": "barra rovesciata"},
    math={"+": "più", "=": "uguale", "×": "per", "*": "per", "÷": "diviso", "<": "è minore di", ">": "è maggiore di",
          "±": "più o meno", "−": "meno", "≈": "circa"},
)  # fmt: skip
