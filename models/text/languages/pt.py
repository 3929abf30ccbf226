"""Portuguese."""

from __future__ import annotations

from models.text.lists import names
from models.text.numbers.language import Language, french_plural, pairs

PORTUGUESE = Language(
    "pt",
    point="vírgula",
    minus="menos",
    percent="{} por cento",
    date="{day} de {month} de {year}",
    day_month="{day} de {month}",
    time="{hour} e {minute}",
    months=names("janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro"),
    month_pattern=(
        "(?:de )?(?:janeiro|fevereiro|março|abril|maio|junho|julho|agosto|setembro|outubro|novembro|dezembro)"
    ),
    plural=french_plural,
    currencies=pairs(
        """
        USD: um dólar|dólares
        EUR: um euro|euros
        GBP: uma libra|libras
        BRL: um real|reais
        JPY: um iene|ienes
        """
    ),
    cents=pairs(
        """
        BRL USD: um centavo|centavos
        EUR: um cêntimo|cêntimos
        GBP: um péni|pence
        """
    ),
    money_and=" e ",
    scales=pairs(
        """
        mil k: mil
        milhão milhões M mi: milhões de
        bilhão bilhões bi: bilhões de
        """
    ),
    units=pairs(
        """
        km: um quilômetro|quilômetros
        m: um metro|metros
        cm: um centímetro|centímetros
        mm: um milímetro|milímetros
        kg: um quilograma|quilogramas
        g: um grama|gramas
        mg: um miligrama|miligramas
        t: uma tonelada|toneladas
        l L: um litro|litros
        ml mL: um mililitro|mililitros
        km/h: um quilômetro por hora|quilômetros por hora
        m/s: um metro por segundo|metros por segundo
        km² km2: um quilômetro quadrado|quilômetros quadrados
        m² m2: um metro quadrado|metros quadrados
        m³ m3: um metro cúbico|metros cúbicos
        °C ℃ ºC: um grau Celsius|graus Celsius
        °F ℉: um grau Fahrenheit|graus Fahrenheit
        °: um grau|graus
        h: uma hora|horas
        min: um minuto|minutos
        s: um segundo|segundos
        KB kB: um quilobyte|quilobytes
        MB: um megabyte|megabytes
        GB: um gigabyte|gigabytes
        TB: um terabyte|terabytes
        Hz: um hertz|hertz
        kHz: um quilohertz|quilohertz
        MHz: um megahertz|megahertz
        GHz: um gigahertz|gigahertz
        W: um watt|watts
        kW: um quilowatt|quilowatts
        V: um volt|volts
        kcal: uma quilocaloria|quilocalorias
        """
    ),
    abbreviations={
        "Sr.": "senhor", "Sra.": "senhora", "Dr.": "doutor", "Dra.": "doutora", "Prof.": "professor", "Av.": "avenida",
        "p. ex.": "por exemplo", "p.ex.": "por exemplo", "nº": "número", "Nº": "número", "n.º": "número",
        "pág.": "página", "tel.": "telefone", "etc.": "et cetera.", "&": "e",
    },
    range_to="a",
    codes="código|quarto|sala|voo|ramal|senha|pin|cep|conta|telefone",
    number_sign="número",
    half="e meio",
    fractions={"1/2": "um meio", "1/3": "um terço", "2/3": "dois terços", "1/4": "um quarto", "3/4": "três quartos"},
    signs={".": "ponto", "/": "barra", "@": "arroba", "-": "hífen", "_": "sublinhado", "?": "interrogação",
           "=": "igual", "&": "e", ":": "dois pontos", "#": "cerquilha", "%": "por cento", "+": "mais", "~": "til",
           "\\": "barra invertida"},
    math={"+": "mais", "=": "é igual a", "×": "vezes", "*": "vezes", "÷": "dividido por", "<": "é menor que",
          ">": "é maior que", "±": "mais ou menos", "−": "menos", "≈": "cerca de"},
)  # fmt: skip
