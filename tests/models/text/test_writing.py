"""What people write and what is read aloud of it: Markdown, tags, symbols, addresses, capitals, abbreviations."""

from __future__ import annotations

import pytest

from tests.models.text.reading import said, texts

MARKDOWN = [
    ("**Bold** move", "Bold move"),
    ("This is *very* __important__ and ***urgent***.", "This is very important and urgent."),
    ("~~Old~~ New", "Old New"),
    ("Run `pip install` now", "Run pip install now"),
    ("Use `<div>` here", "Use <div> here"),
    ("Click [the link](https://example.com/a?b=c) now", "Click the link now"),
    ("Click [the link][1] now", "Click the link now"),
    ("![A red fox](fox.png) runs", "A red fox runs"),
    ("## A heading ##", "A heading"),
    ("- milk", "milk"),
    ("* [x] done", "done"),
    ("> Quoted words", "Quoted words"),
    ("> > Twice quoted", "Twice quoted"),
    ("| Name | Age |\n|------|-----|\n| Ann | Bob |", "Name, Age Ann, Bob"),
    ("Words before\n\n---\n\nWords after", "Words before Words after"),
    ("```python\nprint x\n```", "print x"),
    ("A claim.[^1]", "A claim."),
    ("**Half open and left", "Half open and left"),
    ("it is *so", "it is so"),
]
SYMBOLS = [
    ("Hello 😀 world! 👍", "Hello world!"),
    ("✅ Done → next ────", "Done next"),
    ("Great👍work", "Great work"),
    ("Family 👨‍👩‍👧‍👦 and flags 🇩🇪🇫🇷.", "Family and flags."),
    ("Thumbs 👍🏽 up", "Thumbs up"),
    ("Fine :-) then", "Fine then"),
    ("★★★★☆ Lovely ❤️", "Lovely"),
    ("==== Title ====", "Title"),
    ("Stop ⛔, please", "Stop, please"),
    ("One => two", "One two"),
    ("Hello\u200bworld", "Hello world"),
    ("soft\u00adhyphen", "softhyphen"),
    ("\ufeffHello\u2060 \u202eworld\u202c", "Hello world"),
    ("Ｆｕｌｌ ｗｉｄｔｈ", "Full width"),
    ("𝐁𝐨𝐥𝐝 𝖘𝖙𝖞𝖑𝖊", "Bold style"),
    ("one\u00a0two", "one two"),
    ("Meet @john and #hope", "Meet at john and hope"),
    ("he/she and/or they", "he she and or they"),
    ("Ready ™, set ®, go", "Ready, set, go"),
]
TAGS = [
    ("<speak>Hello world</speak>", "Hello world"),
    ("Tom &amp; Jerry", "Tom and Jerry"),
    ("Caf&eacute; &#8212; &#x41; &quot;yes&quot;", 'Café — A "yes"'),
    ("<b>Bold</b> and <i>italic</i>", "Bold and italic"),
    ('<prosody rate="slow">Slow</prosody> <emphasis>down</emphasis>', "Slow down"),
    ('<sub alias="World Wide Web">WWW</sub> is old', "World Wide Web is old"),
    ('<say-as interpret-as="characters">abc</say-as> is spelled', "a b c is spelled"),
    ("Text <!-- a comment --> goes on", "Text goes on"),
    ("<script>alert</script>Hello", "Hello"),
    ('<a href="https://example.com">Example</a> here', "Example here"),
    ("<p>One thing</p><p>Another thing</p>", "One thing Another thing"),
]
ADDRESSES = [
    ("Visit https://www.example.com/path?x=1 now.",
     "Visit www dot example dot com slash path question mark x equals one now."),
    ("Go to example.org.", "Go to example dot org."),
    ("Mail jane_doe@example.com!", "Mail jane underscore doe at example dot com!"),
    ("Open /usr/local/bin now", "Open slash usr slash local slash bin now"),
    ("Open ~/notes.txt now", "Open tilde slash notes dot txt now"),
    (r"See C:\Users\me now", r"See C colon backslash Users backslash me now"),
    ("Read main.py, please", "Read main dot py, please"),
    ("Ping 10.0.0.1 now", "Ping ten dot zero dot zero dot one now"),
    ("(see https://a.example.com/b_(c))", "(see a dot example dot com slash b underscore c)"),
    ("**https://example.com** is bold", "example dot com is bold"),
    ("Besuchen Sie https://example.de/haus bitte heute",
     "Besuchen Sie example Punkt D E Schrägstrich haus bitte heute"),
    ("Allez sur www.exemple.com tout de suite", "Allez sur www point exemple point com tout de suite"),
]  # fmt: skip
CAPITALS = [
    ("THE OLD HOUSE STOOD ALONE.", "The old house stood alone."),
    ("WARNING! DO NOT ENTER.", "Warning! Do not enter."),
    ("I AM SO HAPPY TODAY", "I am so happy today"),
    ("THE FBI AND NASA ARE HERE TODAY", "The F B I and NASA are here today"),
    ("The FBI and NASA use APIs.", "The F B I and NASA use A P Is."),
    ("The CEO's PC runs Linux", "The C E O's P C runs Linux"),
    ("Do NOT touch it, EVER.", "Do not touch it, ever."),
    ("Made in the U.S.A. and the U.K. today", "Made in the U S A and the U K today"),
    ("AT&T and R&D", "A T and T and R and D"),
    ("A HTML page by UNESCO", "A H T M L page by UNESCO"),
    ("DAS ALTE HAUS STAND ALLEIN AM WALD.", "Das alte haus stand allein am wald."),
    ("LA VIEILLE MAISON ÉTAIT SEULE.", "La vieille maison était seule."),
]
ABBREVIATIONS = [
    ("No. 5 on Main St. near St. John.", "Number five on Main Street near Saint John."),
    ("Dr. Gray met Prof. Lee on Elm Dr. today", "Doctor Gray met Professor Lee on Elm Drive today"),
    ("St. Mary lives on 5th Ave. now", "Saint Mary lives on fifth Avenue now"),
    ("It is approx. right, e.g. here, i.e. there.", "It is approximately right, for example here, that is there."),
    ("Cats, dogs, etc. live here", "Cats, dogs, et cetera live here"),
    ("Cats, dogs, etc.", "Cats, dogs, et cetera."),
    ("Mr. and Mrs. Poe vs. Ms. Roe", "Mister and Missus Poe versus Miz Roe"),
    ("Call at 5 p.m. We wait.", "Call at five P M. We wait."),
    ("See p. 5 and Fig. 3", "See page five and Figure three"),
    ("Salt w/ pepper w/o sugar", "Salt with pepper without sugar"),
    ("Das ist z.B. gut, d.h. nicht schlecht.", "Das ist zum Beispiel gut, das heißt nicht schlecht."),
    ("Mme Dupont et M. Martin sont là.", "Madame Dupont et Monsieur Martin sont là."),
    ("El Sr. López vive en EE. UU. con la Sra. Ruiz.",
     "El señor López vive en Estados Unidos con la señora Ruiz."),
]  # fmt: skip
UNHARMED = [
    "a * b and c * d",
    "snake_case_name stays",
    "a*b*c and f(x)*g(y)",
    "a < b and c > d",
    "if a <b and c> d",
    "x <y and z> w",
    "We love C++ and C#",
    "use List<T> here",
    "A_B and _private",
    "~approximately so",
]


@pytest.mark.parametrize(
    ("written", "read"), [*MARKDOWN, *SYMBOLS, *TAGS, *ADDRESSES, *CAPITALS, *ABBREVIATIONS], ids=lambda text: text[:40]
)
def test_read_as_meant(written: str, read: str) -> None:
    assert said(written) == read


@pytest.mark.parametrize("text", UNHARMED)
def test_stray_signs_harm_nothing(text: str) -> None:
    assert texts(text) == [text]


def test_untouched_without_normalize() -> None:
    text = "**Bold** &amp; 5 km, https://a.com 😀 <b>x</b> FBI No. 5"
    assert texts(text, normalize=False) == [text]
    assert texts("a\0b<|im_end|>c\u202e 1", normalize=False) == ["ab im_end c 1"]
