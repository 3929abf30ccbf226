"""OpenAudio S1 as an entry of the registry."""

from __future__ import annotations

from models.families.family import Family
from models.families.s1.card import CARD
from models.families.s1.config import DualARConfig
from models.families.s1.prompt import S1Prompts
from models.families.s1.tensors import read_tensors, verify
from models.text import markers

S1 = Family(
    name="s1",
    model_type="dual_ar",
    files=("model.pth", "tokenizer.tiktoken", "special_tokens.json"),
    read_config=lambda path: DualARConfig.read(path / "config.json").network,
    read_tensors=read_tensors,
    verify=verify,
    prompt_format=S1Prompts,
    text_rules=markers.S1,
    card=CARD,
)
