"""Web addresses, e-mail, paths, files' names: found before any other rule, and read as people say them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from urllib.parse import unquote

from models.text.lists import names
from models.text.marks import GLUE, Shelf
from models.text.safety import clean

_STOP = r"\s<>\"“”«»`{}|\\^\u3000-\u9fff\uac00-\ud7a3\uff00-\uffef"
_TOP = (
    "com|org|net|edu|gov|mil|int|info|biz|io|ai|dev|app|co|uk|de|fr|es|pt|pl|ru|tr|jp|kr|cn|br|ca|au|nl|ch|eu|xyz|"
    "tech|online|shop|site|cloud|page|blog|news"
)
_SPELLED = frozenset(names("io ai uk de fr es pt pl ru tr jp kr cn br ca au nl ch eu"))
_FILE = (
    "py|pyc|ipynb|js|ts|tsx|jsx|mjs|md|txt|rst|json|jsonl|ya?ml|toml|ini|cfg|conf|html?|css|xml|csv|tsv|pdf|docx?|xlsx?|"
    "pptx?|odt|epub|png|jpe?g|gif|svg|webp|bmp|mp[34]|wav|flac|ogg|opus|m4a|avi|mkv|mov|webm|zip|tar|gz|tgz|rar|exe|dll|"
    "msi|dmg|deb|rpm|apk|sh|bat|ps1|cpp|hpp|rs|java|rb|php|sql|log|lock|env|whl|pth|pt|onnx|safetensors"
)
_NAME = r"[A-Za-z0-9_][A-Za-z0-9_-]{0,62}"
_ADDRESS = re.compile(
    rf"(?:https?|ftps?|wss?|file|ssh|git)://[^{_STOP}]+"
    rf"|www\.[^{_STOP}]+"
    r"|(?:mailto:)?[A-Za-z0-9_][\w.+-]{0,63}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8}"
    rf"|(?<![\w.@/-])(?:{_NAME}\.){{1,6}}(?:{_TOP})(?![\w-]|\.\w)(?::\d{{1,5}})?(?:[/?#][^{_STOP}]*)?"
    r"|(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w]|\.\d)(?::\d{1,5})?(?:/[\w./-]*)?"
    rf"|\blocalhost(?::\d{{1,5}})(?:/[^{_STOP}]*)?"
    rf"|(?<![\w/.~-])(?:~|\.{{1,2}})?/(?:[\w.@+-]{{1,100}}/)+[\w.@+-]{{0,100}}|(?<![\w/.~-])~/[\w.@+-]{{1,100}}"
    r"|(?<!\w)[A-Za-z]:\\[^\s\"<>|*?]*"
    rf"|(?<![\w/.-])(?:[\w-]{{1,60}}/){{0,12}}\.?[\w-]{{1,60}}(?:\.[\w-]{{1,20}}){{0,3}}\.(?:{_FILE})(?![\w-]|\.\w)",
    re.ASCII | re.IGNORECASE,
)
_CLOSING = {")": "(", "]": "["}
_TOKEN = re.compile(r"[^\W\d_]+|\d+|[^\w\s]|_")
# Parts of an address between which it may be cut.
_PARTS = "/?&#\\"
_SIGNS = {
    ".": "dot", "/": "slash", "@": "at", "-": "dash", "_": "underscore", "?": "question mark", "=": "equals",
    "&": "and", ":": "colon", "#": "hash", "%": "percent", "~": "tilde", "+": "plus", "\\": "backslash",
}  # fmt: skip


def shelve(text: str, shelf: Shelf) -> str:
    """The text with a mark for each address in it."""
    return _ADDRESS.sub(lambda match: _shelved(match.group(), shelf), text)


def _shelved(found: str, shelf: Shelf) -> str:
    """The mark, and the punctuation behind an address that belongs to the sentence."""
    end = len(found)
    while end and (found[end - 1] in ".,;:!?*_~'…" or _unopened(found[:end])):
        end -= 1
    if not any(char.isalnum() for char in found[:end]):
        return found
    return shelf.address(found[:end]) + found[end:]


def _unopened(text: str) -> bool:
    opening = _CLOSING.get(text[-1])
    return opening is not None and text.count(text[-1]) > text.count(opening)


def said(address: str, signs: Mapping[str, str], number: Callable[[str], str]) -> str:
    """An address as words: `signs` names its signs in a language, English where one is missing; `number` reads digits.
    It can be cut before a part of its path, and nowhere else while there is such a place."""
    path = clean(unquote(re.sub(r"^(?:[a-z]+://|mailto:)", "", address, flags=re.IGNORECASE)))
    host = re.match(r"[^/?#:\\]*", path)
    spelled = re.search(r"\.([a-z]{2})$", host.group()) if host else None
    letters_at = spelled.start(1) if spelled and spelled[1] in _SPELLED else -1
    words: list[str] = []
    for token in _TOKEN.finditer(path.rstrip("/") or path):
        text = token.group()
        gap = " " if text in _PARTS else GLUE
        if text.isdecimal():
            words.append(gap + number(text).replace(" ", GLUE))
        elif token.start() == letters_at:
            words.append(gap + GLUE.join(text.upper()))
        elif text.isalpha():
            words.append(gap + text)
        elif name := signs.get(text, _SIGNS.get(text, "")):
            words.append(gap + name.replace(" ", GLUE))
    return "".join(words).strip()
