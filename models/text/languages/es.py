"""Spanish."""

from __future__ import annotations

from models.text.lists import names
from models.text.numbers.language import Language, pairs

SPANISH = Language(
    "es",
    point="coma",
    minus="menos",
    percent="{} por ciento",
    date="{day} de {month} de {year}",
    day_month="{day} de {month}",
    time="{hour} y {minute}",
    months=names("enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre"),
    month_pattern=(
        "(?:de )?(?:enero|febrero|marzo|abril|mayo|junio|julio|agosto|sep?tiembre|octubre|noviembre|diciembre)"
    ),
    attributive=(("veintiuno", "veintiún"), ("uno", "un")),
    currencies=pairs(
        """
        USD: un dólar|dólares
        EUR: un euro|euros
        GBP: una libra|libras
        JPY: un yen|yenes
        CNY: un yuan|yuanes
        """
    ),
    cents=pairs(
        """
        USD: un centavo|centavos
        EUR: un céntimo|céntimos
        GBP: un penique|peniques
        """
    ),
    money_and=" con ",
    scales=pairs(
        """
        mil k: mil
        millón millones M: millones de
        """
    ),
    units=pairs(
        """
        km: un kilómetro|kilómetros
        m: un metro|metros
        cm: un centímetro|centímetros
        mm: un milímetro|milímetros
        kg: un kilogramo|kilogramos
        g: un gramo|gramos
        mg: un miligramo|miligramos
        t: una tonelada|toneladas
        l L: un litro|litros
        ml mL: un mililitro|mililitros
        km/h: un kilómetro por hora|kilómetros por hora
        m/s: un metro por segundo|metros por segundo
        km² km2: un kilómetro cuadrado|kilómetros cuadrados
        m² m2: un metro cuadrado|metros cuadrados
        m³ m3: un metro cúbico|metros cúbicos
        °C ℃ ºC: un grado Celsius|grados Celsius
        °F ℉: un grado Fahrenheit|grados Fahrenheit
        °: un grado|grados
        h: una hora|horas
        min: un minuto|minutos
        s seg: un segundo|segundos
        ms: un milisegundo|milisegundos
        KB kB: un kilobyte|kilobytes
        MB: un megabyte|megabytes
        GB: un gigabyte|gigabytes
        TB: un terabyte|terabytes
        Hz: un hercio|hercios
        kHz: un kilohercio|kilohercios
        MHz: un megahercio|megahercios
        GHz: un gigahercio|gigahercios
        W: un vatio|vatios
        kW: un kilovatio|kilovatios
        kWh: un kilovatio hora|kilovatios hora
        V: un voltio|voltios
        dB: un decibelio|decibelios
        kcal: una kilocaloría|kilocalorías
        """
    ),
    abbreviations={
        "Sr.": "señor", "Sra.": "señora", "Srta.": "señorita", "Sres.": "señores", "Dr.": "doctor", "Dra.": "doctora",
        "Ud.": "usted", "Uds.": "ustedes", "p. ej.": "por ejemplo", "p.ej.": "por ejemplo", "EE. UU.": "Estados Unidos",
        "EE.UU.": "Estados Unidos", "Av.": "avenida", "Avda.": "avenida", "núm.": "número", "pág.": "página",
        "aprox.": "aproximadamente", "tel.": "teléfono", "N.º": "número", "n.º": "número", "nº": "número",
        "Nº": "número", "etc.": "etcétera.", "&": "y",
    },
    range_to="a",
    codes="código|código postal|habitación|sala|vuelo|extensión|contraseña|pin|cuenta|teléfono",
    number_sign="número",
    half="y medio",
    fractions={"1/2": "un medio", "1/3": "un tercio", "2/3": "dos tercios", "1/4": "un cuarto", "3/4": "tres cuartos"},
    signs={".": "punto", "/": "barra", "@": "arroba", "-": "guion", "_": "guion bajo", "?": "signo de interrogación",
           "=": "igual", "&": "y", ":": "dos puntos", "#": "almohadilla", "%": "por ciento", "+": "más",
           "~": "virgulilla", "\\": "barra invertida"},
    math={"+": "más", "=": "es igual a", "×": "por", "*": "por", "÷": "entre", "<": "es menor que",
          ">": "es mayor que", "±": "más menos", "−": "menos", "≈": "es aproximadamente"},
)  # fmt: skip
