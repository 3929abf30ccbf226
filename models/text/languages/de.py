"""German."""

from __future__ import annotations

from models.text.lists import names
from models.text.numbers.language import Language, pairs

GERMAN = Language(
    "de",
    point="Komma",
    minus="minus",
    percent="{} Prozent",
    date="{day} {month} {year}",
    day_month="{day} {month}",
    time="{hour} Uhr {minute}",
    full_hour="{hour} Uhr",
    months=names("Januar Februar März April Mai Juni Juli August September Oktober November Dezember"),
    month_pattern=(
        "Jan(?:uar|\\.)|Feb(?:ruar|\\.)|März|Mrz\\.?|Apr(?:il|\\.)|Mai|Juni?\\.?|Juli?\\.?|Aug(?:ust|\\.)|"
        "Sept?(?:ember|\\.)|Okt(?:ober|\\.)|Nov(?:ember|\\.)|Dez(?:ember|\\.)"
    ),
    digits_after_point=True,
    attributive=(("eins", "ein"),),
    currencies=pairs(
        """
        USD: ein Dollar|Dollar
        EUR: ein Euro|Euro
        GBP: ein Pfund|Pfund
        JPY: ein Yen|Yen
        CNY: ein Yuan|Yuan
        INR: eine Rupie|Rupien
        CHF: ein Franken|Franken
        PLN: ein Zloty|Zloty
        TRY: eine Lira|Lira
        """
    ),
    cents=pairs(
        """
        USD EUR: ein Cent|Cent
        GBP: ein Penny|Pence
        CHF: ein Rappen|Rappen
        """
    ),
    scales=pairs(
        """
        Tausend Tsd. k: tausend
        Million Millionen Mio Mio.: Millionen
        Milliarde Milliarden Mrd Mrd.: Milliarden
        M: Millionen
        B: Milliarden
        """
    ),
    units=pairs(
        """
        km: ein Kilometer|Kilometer
        m: ein Meter|Meter
        cm: ein Zentimeter|Zentimeter
        mm: ein Millimeter|Millimeter
        kg: ein Kilogramm|Kilogramm
        g: ein Gramm|Gramm
        mg: ein Milligramm|Milligramm
        t: eine Tonne|Tonnen
        l L: ein Liter|Liter
        ml mL: ein Milliliter|Milliliter
        km/h: ein Kilometer pro Stunde|Kilometer pro Stunde
        m/s: ein Meter pro Sekunde|Meter pro Sekunde
        km² km2: ein Quadratkilometer|Quadratkilometer
        m² m2 qm: ein Quadratmeter|Quadratmeter
        m³ m3: ein Kubikmeter|Kubikmeter
        °C ℃: ein Grad Celsius|Grad Celsius
        °F ℉: ein Grad Fahrenheit|Grad Fahrenheit
        °: ein Grad|Grad
        h Std Std.: eine Stunde|Stunden
        min Min Min.: eine Minute|Minuten
        s Sek.: eine Sekunde|Sekunden
        ms: eine Millisekunde|Millisekunden
        KB kB: ein Kilobyte|Kilobyte
        MB: ein Megabyte|Megabyte
        GB: ein Gigabyte|Gigabyte
        TB: ein Terabyte|Terabyte
        Hz: ein Hertz|Hertz
        kHz: ein Kilohertz|Kilohertz
        MHz: ein Megahertz|Megahertz
        GHz: ein Gigahertz|Gigahertz
        W: ein Watt|Watt
        kW: ein Kilowatt|Kilowatt
        kWh: eine Kilowattstunde|Kilowattstunden
        V: ein Volt|Volt
        dB: ein Dezibel|Dezibel
        kcal: eine Kilokalorie|Kilokalorien
        """
    ),
    abbreviations={
        "z.B.": "zum Beispiel", "z. B.": "zum Beispiel", "d.h.": "das heißt", "d. h.": "das heißt",
        "u.a.": "unter anderem", "u. a.": "unter anderem", "bzw.": "beziehungsweise", "ca.": "circa", "Nr.": "Nummer",
        "Dr.": "Doktor", "Prof.": "Professor", "Hr.": "Herr", "Fr.": "Frau", "St.": "Sankt", "evtl.": "eventuell",
        "inkl.": "inklusive", "vgl.": "vergleiche", "Tel.": "Telefon", "usw.": "und so weiter.", "etc.": "et cetera.",
        "max.": "maximal", "min.": "minimal", "ggf.": "gegebenenfalls", "v. Chr.": "vor Christus",
        "n. Chr.": "nach Christus", "&": "und",
    },
    range_to="bis",
    codes="code|pin|passwort|zimmer|raum|flug|durchwahl|postleitzahl|plz|kontonummer|telefon|nebenstelle|kennung|rufen",
    years="im Jahre?|seit|bis|vor|nach|ab|von|anno|Jahre?|Sommer|Winter|Herbst|Frühjahr|Frühling|Anfang|Ende|Mitte",
    number_sign="Nummer",
    fractions={"1/2": "ein halb", "1/3": "ein Drittel", "2/3": "zwei Drittel", "1/4": "ein Viertel",
               "3/4": "drei Viertel"},
    half="einhalb",
    signs={".": "Punkt", "/": "Schrägstrich", "@": "ät", "-": "Bindestrich", "_": "Unterstrich", "?": "Fragezeichen",
           "=": "gleich", "&": "und", ":": "Doppelpunkt", "#": "Raute", "%": "Prozent", "+": "plus", "~": "Tilde",
           "\\": "umgekehrter Schrägstrich"},
    math={"+": "plus", "=": "gleich", "×": "mal", "*": "mal", "÷": "geteilt durch", "<": "ist kleiner als",
          ">": "ist größer als", "±": "plus minus", "−": "minus", "≈": "ist etwa"},
)  # fmt: skip
