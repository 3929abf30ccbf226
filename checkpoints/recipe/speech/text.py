"""The sentences the starter voice learns from: WordNet's examples and Jane Austen's novels, from Debian's packages."""

import random
import re
import subprocess
from pathlib import Path

WORDNET = Path("/usr/share/wordnet")
PLAIN = re.compile(r"[A-Za-z ,.'?!;:-]+")


def wordnet_sentences() -> set[str]:
    """The quoted example phrases of WordNet 3.0 (Debian: wordnet-base), each as a sentence of 12 to 90 characters."""
    found = set()
    for part in ("adj", "adv", "noun", "verb"):
        for line in (WORDNET / f"data.{part}").read_text(errors="ignore").splitlines():
            for phrase in re.findall(r'"([^"]+)"', line.partition("|")[2]):
                phrase = phrase.strip()
                if 12 <= len(phrase) <= 90 and PLAIN.fullmatch(phrase):
                    phrase = phrase[0].upper() + phrase[1:]
                    found.add(phrase if phrase[-1] in ".?!" else phrase.rstrip(" ,;:-") + ".")
    return found


def austen_sentences() -> set[str]:
    """Sentences of 15 to 110 characters from the six novels (Debian: r-cran-janeaustenr, read through Rscript)."""
    novels = "cat(janeaustenr::austen_books()$text, sep='\\n')"
    text = subprocess.run(["Rscript", "-e", novels], check=True, capture_output=True, text=True).stdout
    text = re.sub(r"\n(?=\S)", " ", text.replace("_", "").replace("--", ", "))
    found = set()
    for sentence in re.split(r"(?<=[.?!])\s+", text):
        sentence = re.sub(r"\s+", " ", sentence).strip(' "')
        if sentence.endswith(("Mr.", "Mrs.", "Dr.", "Miss.")):
            continue
        if 15 <= len(sentence) <= 110 and PLAIN.fullmatch(sentence) and sentence[0].isupper() and sentence[-1] in ".?!":
            found.add(sentence)
    return found


def sentences(work: Path, seed: int) -> list[str]:
    """All sentences in an order that the seed alone decides. Kept in `work`, so that a machine without Debian's
    packages can be given the file."""
    kept = work / "sentences.txt"
    if not kept.exists():
        kept.write_text("\n".join(sorted(wordnet_sentences() | austen_sentences())))
    found = kept.read_text().splitlines()
    random.Random(seed).shuffle(found)
    return found
