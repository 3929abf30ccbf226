"""Markers that OpenAudio S1 documents besides plain words: emotions, tones, sounds, and the phoneme tags."""

from __future__ import annotations

from models.text.rules import TextRules

_EMOTIONS = """
    angry sad excited surprised satisfied delighted scared worried upset nervous frustrated depressed empathetic
    embarrassed disgusted moved proud relaxed grateful confident interested curious confused joyful disdainful unhappy
    anxious hysterical indifferent impatient guilty scornful panicked furious reluctant keen disapproving negative
    denying astonished serious sarcastic conciliative comforting sincere sneering hesitating yielding painful awkward
    amused
"""
EMOTIONS = tuple(_EMOTIONS.split())
TONES = ("in a hurry tone", "shouting", "screaming", "whispering", "soft tone")
SPECIAL = (
    "laughing",
    "chuckling",
    "sobbing",
    "crying loudly",
    "sighing",
    "panting",
    "groaning",
    "crowd laughing",
    "background laughter",
    "audience laughing",
)

PHONEME_START, PHONEME_END = "<|phoneme_start|>", "<|phoneme_end|>"
_START, _END = (tag.replace("|", r"\|") for tag in (PHONEME_START, PHONEME_END))
# In brackets, as S2 and other models have them.
_ALIASES = {
    "[whisper]": "(whispering)", "[whispers]": "(whispering)", "[whispered]": "(whispering)", "[shout]": "(shouting)",
    "[shouts]": "(shouting)", "[scream]": "(screaming)", "[laugh]": "(laughing)", "[laughs]": "(laughing)",
    "[laughter]": "(laughing)", "[chuckle]": "(chuckling)", "[chuckles]": "(chuckling)", "[sigh]": "(sighing)",
    "[sighs]": "(sighing)", "[sob]": "(sobbing)", "[sobs]": "(sobbing)", "[crying]": "(crying loudly)",
    "[groan]": "(groaning)", "[groans]": "(groaning)", "[pant]": "(panting)", "[happy]": "(joyful)",
}  # fmt: skip

S1 = TextRules(
    mood=rf"\((?:{'|'.join((*EMOTIONS, *TONES))})\)",
    sound=rf"\((?:{'|'.join(SPECIAL)})\)",
    span=f"{_START}.{{0,200}}?{_END}",  # one without an end, or an endless one, is only its tags
    tag=f"{_START}|{_END}",
    aliases={f"[{name}]": f"({name})" for name in (*EMOTIONS, *TONES, *SPECIAL)} | _ALIASES,
)
