"""The checkpoint that this repository ships: its size, its licences, and that it reads what it is given."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile
import torch
import torch.nn.functional as F
from fish_speech.content_sequence import ContentSequence, TextPart, VQPart
from fish_speech.models.text2semantic.llama import BaseTransformer

from models.checkpoint.reader import Checkpoint
from models.reference_encoder.encoder import ReferenceEncoder
from tests.paths import ROOT

STARTER = ROOT / "checkpoints" / "starter"
TEXT = (
    "Congratulations! You have successfully installed and executed the Asterisk Open Source PBX. "
    "You have also installed a set of sample sounds and configuration files that should help you to get started."
)
OTHER = (
    "It was raining when the carriage came to the door, and nobody in the house had slept for more than an hour. "
    "My mother had been sitting at the window with her gloves on since six, saying little to any of us children."
)


def test_it_is_small_enough_for_git_and_names_its_licences() -> None:
    assert sum(file.stat().st_size for file in STARTER.iterdir()) <= 40e6
    card = (STARTER / "README.md").read_text()
    for name in ("Hibari", "Kokoro", "flite", "WordNet", "Austen", "Asterisk", "CC-BY-SA"):
        assert name in card


@pytest.fixture(scope="module")
def codes() -> np.ndarray:
    """Codes (codebooks, frames) of a recording that no training has heard."""
    checkpoint = Checkpoint(STARTER)
    encoder = ReferenceEncoder(checkpoint.codec_config, checkpoint.codec_tensors("encoder"), "cpu", "fp32")
    recording, rate = soundfile.read(ROOT / "tests" / "voices" / "allison-en.wav", dtype="float32")
    assert rate == checkpoint.codec_config.sample_rate
    return encoder.encode([recording * 0.1 / np.sqrt(np.mean(recording**2))])[0]


def test_a_recordings_own_text_foretells_it_better_than_another(codes: np.ndarray) -> None:
    """By upstream's own transformer: nats a frame of the first codebook."""
    model = BaseTransformer.from_pretrained(str(STARTER), load_weights=True).float().eval()

    def nats(text: str) -> float:
        sequence = ContentSequence(modality="interleave")
        sequence.append([TextPart(text=text), VQPart(codes=torch.from_numpy(codes.astype(np.int64)))], True, speaker=0)
        values = sequence.encode_for_inference(model.tokenizer, model.config.num_codebooks)[0][None].long()
        with torch.no_grad():
            logits = BaseTransformer.forward(model, values[..., :-1]).logits[0]
        spoken = values[0, 0, 1:] >= model.tokenizer.semantic_begin_id
        spoken &= values[0, 0, 1:] <= model.tokenizer.semantic_end_id
        return float(F.cross_entropy(logits[spoken].float(), values[0, 0, 1:][spoken]))

    assert nats(TEXT) < nats(OTHER)
