"""English."""

from __future__ import annotations

from models.text.lists import names
from models.text.numbers.language import Language, pairs

ENGLISH = Language(
    "en",
    point="point",
    minus="minus",
    percent="{} percent",
    date="{month} {day}, {year}",
    day_month="{month} {day}",
    time="{hour} {minute}",
    group=",",
    decimal=r"\.",
    months=names("January February March April May June July August September October November December"),
    month_pattern=(
        "Jan(?:uary|\\.)?|Feb(?:ruary|\\.)?|Mar(?:ch|\\.)?|Apr(?:il|\\.)?|May|June?\\.?|July?\\.?|Aug(?:ust|\\.)?|"
        "Sept?(?:ember|\\.)?|Oct(?:ober|\\.)?|Nov(?:ember|\\.)?|Dec(?:ember|\\.)?"
    ),
    day_first=False,
    digits_after_point=True,
    currencies=pairs(
        """
        USD: one dollar|dollars
        EUR: one euro|euros
        GBP: one pound|pounds
        JPY: one yen|yen
        CNY: one yuan|yuan
        INR: one rupee|rupees
        KRW: one won|won
        BRL: one real|reais
        RUB: one ruble|rubles
        TRY: one lira|lira
        PLN: one zloty|zlotys
        CHF: one franc|francs
        CAD: one Canadian dollar|Canadian dollars
        AUD: one Australian dollar|Australian dollars
        """
    ),
    cents=pairs(
        """
        USD EUR CAD AUD: one cent|cents
        GBP: one penny|pence
        INR: one paisa|paise
        """
    ),
    scales=pairs(
        """
        thousand k K: thousand
        million mil mn m M MM: million
        billion bn b B: billion
        trillion tn T: trillion
        """
    ),
    units=pairs(
        """
        km kms KM: one kilometer|kilometers
        m: one meter|meters
        cm: one centimeter|centimeters
        mm: one millimeter|millimeters
        mi: one mile|miles
        ft: one foot|feet
        yd yds: one yard|yards
        in.: one inch|inches
        kg kgs KG: one kilogram|kilograms
        g: one gram|grams
        mg: one milligram|milligrams
        lb lbs: one pound|pounds
        oz: one ounce|ounces
        l L: one liter|liters
        ml mL: one milliliter|milliliters
        gal: one gallon|gallons
        tsp: one teaspoon|teaspoons
        tbsp: one tablespoon|tablespoons
        km/h kph kmh: one kilometer per hour|kilometers per hour
        m/s: one meter per second|meters per second
        mph: one mile per hour|miles per hour
        mpg: one mile per gallon|miles per gallon
        km² km2: one square kilometer|square kilometers
        m² m2 sqm: one square meter|square meters
        m³ m3: one cubic meter|cubic meters
        ft² sqft: one square foot|square feet
        °C ℃: one degree Celsius|degrees Celsius
        °F ℉: one degree Fahrenheit|degrees Fahrenheit
        °: one degree|degrees
        h hr hrs: one hour|hours
        min mins: one minute|minutes
        s sec secs: one second|seconds
        ms: one millisecond|milliseconds
        KB kB: one kilobyte|kilobytes
        MB: one megabyte|megabytes
        GB: one gigabyte|gigabytes
        TB: one terabyte|terabytes
        Mbps Mbit/s: one megabit per second|megabits per second
        Gbps Gbit/s: one gigabit per second|gigabits per second
        Hz: one hertz|hertz
        kHz KHz: one kilohertz|kilohertz
        MHz: one megahertz|megahertz
        GHz: one gigahertz|gigahertz
        W: one watt|watts
        kW KW: one kilowatt|kilowatts
        MW: one megawatt|megawatts
        kWh KWh: one kilowatt hour|kilowatt hours
        V: one volt|volts
        mAh: one milliampere hour|milliampere hours
        dB: one decibel|decibels
        kcal: one kilocalorie|kilocalories
        cal: one calorie|calories
        px: one pixel|pixels
        fps: one frame per second|frames per second
        rpm RPM: one revolution per minute|revolutions per minute
        bpm BPM: one beat per minute|beats per minute
        ¢: one cent|cents
        """
    ),
    abbreviations={
        "Mr.": "Mister", "Mrs.": "Missus", "Ms.": "Miz", "Prof.": "Professor", "Gen.": "General", "Sen.": "Senator",
        "Gov.": "Governor", "Capt.": "Captain", "Lt.": "Lieutenant", "Sgt.": "Sergeant", "Col.": "Colonel",
        "Rev.": "Reverend", "Hon.": "Honorable", "Jr.": "Junior", "Sr.": "Senior", "Ave.": "Avenue",
        "Blvd.": "Boulevard", "Rd.": "Road", "Ln.": "Lane", "Hwy.": "Highway", "Apt.": "Apartment",
        "Dept.": "Department", "ext.": "extension", "Ext.": "Extension",
        "Inc.": "Incorporated", "Ltd.": "Limited", "Corp.": "Corporation", "Fig.": "Figure", "Vol.": "Volume",
        "e.g.": "for example", "i.e.": "that is", "vs.": "versus", "vs": "versus", "approx.": "approximately",
        "etc.": "et cetera.", "est.": "estimated", "dept.": "department", "w/o": "without", "w/": "with",
        "Ctrl": "control", "CTRL": "control", "@": "at",
        "a.k.a.": "also known as", "aka": "also known as", "Ph.D.": "P H D", "PhD": "P H D", "U.S.": "U S",
        "U.S.A.": "U S A", "U.K.": "U K", "D.C.": "D C", "P.S.": "P S", "Mt.": "Mount", "Ft.": "Fort", "&": "and",
        "Mon.": "Monday", "Tue.": "Tuesday", "Tues.": "Tuesday", "Wed.": "Wednesday", "Thu.": "Thursday",
        "Thurs.": "Thursday", "Fri.": "Friday",
    },
    range_to="to",
    codes=(
        "code|pin|passcode|password|otp|room|flight|error|http|extension|ext\\.?|suite|apartment|apt\\.?|zip|zip code|"
        "account|account number|order number|order|ticket|invoice|case number|reference|ref\\.?|serial|serial number|"
        "model|confirmation|tracking number|id|channel|bus|train|route|highway|interstate|area code|postcode|phone|"
        "tel\\.?|dial"
    ),
    number_sign="number",
    math={"+": "plus", "=": "equals", "×": "times", "*": "times", "÷": "divided by", "<": "is less than",
          ">": "is greater than", "≤": "is at most", "≥": "is at least", "≈": "is about", "±": "plus or minus",
          "≠": "is not equal to", "−": "minus"},
)  # fmt: skip
