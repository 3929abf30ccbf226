"""Training sequences of the language model: utterances of one speaker, laid out as upstream lays out its prompts.

A sequence is filled with utterances until no further one fits, so every utterance but the first is learned with others
of its speaker before it: what a reference is at inference. Shapes never change, so the compiled step compiles once."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from fish_speech.tokenizer import FishTokenizer

from checkpoints.recipe.settings import Part

SPEAKER = "<|speaker:0|>"

Utterance = tuple[
    str, np.ndarray, np.ndarray
]  # text, codes `[frames, codebooks]`, the frame at which each character ends


@dataclass(frozen=True)
class Batch:
    """`values` int64 `[batch, 1 + codebooks, length]`: tokens, then codes. `spoken` float32 `[batch, length]`: where
    the next token is a frame, the position of the character being spoken in it; elsewhere -1. `wanted` bool
    `[batch, length]`: positions whose next token is a frame or the end of an utterance."""

    values: np.ndarray
    spoken: np.ndarray
    wanted: np.ndarray


class Corpus:
    """The encoded `parts` of the corpus in `directory`, by speaker, each drawn from as often as its weight says. The
    speakers kept from training are the first of every part in turn.

    Where a part is of the voice that speaks alone, only its speaker learns the first utterance of a sequence: without
    a reference the model then has one voice, not any of thousands, of which some are hard to understand."""

    def __init__(self, directory: Path, parts: Iterable[Part], tokenizer: FishTokenizer, held_out_speakers: int):
        self.first_code = tokenizer.semantic_begin_id
        self.begin, self.end = tokenizer.get_token_id("<|interleave|>"), tokenizer.get_token_id("<|im_end|>")
        self.speaker = np.array(tokenizer.encode(SPEAKER))
        parts = [part for part in parts if part.lm and (directory / f"{part.name}.codes.npz").exists()]
        self.utterances: list[Utterance] = []
        by_part: list[list[list[int]]] = []
        for part in parts:
            saved = np.load(directory / f"{part.name}.codes.npz")
            by_speaker: dict[str, list[int]] = {}
            codes, starts, ends, characters = (saved[name] for name in ("codes", "starts", "ends", "characters"))
            for i, (speaker, text) in enumerate(zip(saved["speakers"].tolist(), saved["texts"].tolist(), strict=True)):
                by_speaker.setdefault(speaker, []).append(len(self.utterances))
                item = (text, codes[starts[i] : starts[i + 1]], ends[characters[i] : characters[i + 1]])
                self.utterances.append(item)
            by_part.append(list(by_speaker.values()))
        many = [speakers for part, speakers in zip(parts, by_part, strict=True) if not part.alone]
        self.held_out = [many[i % len(many)].pop(0) for i in range(held_out_speakers)]
        self.speakers = [speaker for speakers in by_part for speaker in speakers]
        speaks_alone = [part.alone or len(many) == len(parts) for part in parts]
        self.speaks_alone = np.repeat(speaks_alone, [len(speakers) for speakers in by_part])
        sizes = [np.array([len(speaker) for speaker in speakers], float) for speakers in by_part]
        shares = np.concatenate([part.weight * size / size.sum() for part, size in zip(parts, sizes, strict=True)])
        self.shares = shares / shares.sum()

    def segment(self, utterance: int) -> tuple[np.ndarray, np.ndarray]:
        """An utterance's `[1 + codebooks, positions]` with its end token, and where the character spoken at each is."""
        text, codes, ends = self.utterances[utterance]
        head, count = len(self.speaker) + len(text), len(codes)
        values = np.zeros((1 + codes.shape[1], head + count + 1), np.int64)
        values[0, :head] = [*self.speaker, *text.encode()]
        values[0, head:-1] = codes[:, 0].astype(np.int64) + self.first_code
        values[1:, head:-1] = codes.T
        values[0, -1] = self.end
        spoken = np.full(head + count + 1, -1.0, np.float32)
        characters = np.searchsorted(ends, np.arange(count) + 0.5, side="right")
        spoken[head - 1 : head - 1 + count] = len(self.speaker) + np.minimum(characters, len(text) - 1)
        return values, spoken

    def sequence(self, utterances: list[int], length: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """As many of `utterances` as fit, `[1 + codebooks, length]`, with `spoken` and `wanted`; zeros after them."""
        codebooks = self.utterances[0][1].shape[1]
        values, spoken = np.zeros((1 + codebooks, length), np.int64), np.full(length, -1.0, np.float32)
        wanted = np.zeros(length, bool)
        values[0, 0] = self.begin
        position = 1
        for utterance in utterances:
            part, heard = self.segment(utterance)
            if position + part.shape[1] > length:
                continue
            stop = position + part.shape[1]
            values[:, position:stop] = part
            spoken[position:stop] = np.where(heard >= 0, heard + position, -1)
            head = len(self.speaker) + len(self.utterances[utterance][0])
            wanted[position + head - 1 : stop - 1] = True
            position = stop
        return values, spoken, wanted

    def draw(self, rng: np.random.Generator, batch: int, length: int) -> Batch:
        """A batch of sequences, each of one speaker."""
        speakers = rng.choice(len(self.speakers), batch, p=self.shares)
        rows = [self.sequence(rng.permutation(self.speakers[speaker])[:12].tolist(), length) for speaker in speakers]
        values, spoken, wanted = (np.stack(part) for part in zip(*rows, strict=True))
        for row in np.flatnonzero(~self.speaks_alone[speakers]):
            wanted[row, : self.first_end(values[row])] = False
        return Batch(values, spoken, wanted)

    def first_end(self, values: np.ndarray) -> int:
        """Where the first utterance of a sequence ends."""
        return int(np.flatnonzero(values[0] == self.end)[0])
