"""The real DAC of fish_speech as oracle: streamed decoding equals its whole decode, encoding gives its codes."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from checkpoints.build import TINY, build
from models.checkpoint.reader import Checkpoint
from models.codec.native.kernels import precisions
from models.codec.state import Step
from models.codec.transformer import WindowTransformer
from models.reference_encoder.encoder import ReferenceEncoder
from models.vq_decoder.decoder import VQDecoder

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import hydra
    from fish_speech.models.dac.modded_dac import DAC, precompute_freqs_cis

STREAMS = 4
FRAMES = 150  # more than four times the tiny decoder's window
ROUNDING = 1e-5


@pytest.fixture(scope="module")
def checkpoint(tiny: Path) -> Checkpoint:
    return Checkpoint(tiny)


@pytest.fixture(scope="module")
def upstream(tiny: Path) -> DAC:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = hydra.utils.instantiate(yaml.safe_load((tiny / "codec.yaml").read_text()))
    model.load_state_dict(torch.load(tiny / "codec.pth", weights_only=True))
    return model.eval()


@pytest.fixture(scope="module")
def codes(checkpoint: Checkpoint) -> np.ndarray:
    """(streams, codebooks, frames); a few codes lie beyond their codebook, where upstream clamps."""
    config, random = checkpoint.codec_config, np.random.default_rng(0)
    semantic = random.integers(0, config.semantic_codebook_size + 3, (STREAMS, 1, FRAMES))
    residual = random.integers(0, config.codebook_size + 3, (STREAMS, config.n_codebooks, FRAMES))
    return np.concatenate([semantic, residual], axis=1).astype(np.int16)


@pytest.fixture(scope="module")
def whole(upstream: DAC, codes: np.ndarray) -> np.ndarray:
    """Upstream's decode of all frames at once: (streams, samples)."""
    with torch.inference_mode():
        audio, _ = upstream.decode(torch.from_numpy(codes.astype(np.int64)), torch.tensor([FRAMES] * STREAMS))
    return audio[:, 0].numpy()


@pytest.fixture(scope="module")
def decoder(checkpoint: Checkpoint) -> VQDecoder:
    return VQDecoder(checkpoint.codec_config, checkpoint.codec_tensors("decoder"), "cpu", "fp32", max_streams=STREAMS)


@pytest.fixture(scope="module")
def encoder(checkpoint: Checkpoint) -> ReferenceEncoder:
    return ReferenceEncoder(checkpoint.codec_config, checkpoint.codec_tensors("encoder"), "cpu", "fp32")


def decode_rounds(decoder: VQDecoder, codes: np.ndarray, rounds: list[dict[int, int]]) -> list[np.ndarray]:
    """Each round continues some streams, each by its own number of frames; returns all PCM of each stream."""
    streams = [decoder.open() for _ in range(STREAMS)]
    pcm: list[list[np.ndarray]] = [[np.zeros(0, np.float32)] for _ in range(STREAMS)]
    for sizes in rounds:
        blocks = [(streams[i], codes[i][:, streams[i].position : streams[i].position + n]) for i, n in sizes.items()]
        for i, block in zip(sizes, decoder.decode(blocks), strict=True):
            assert block.dtype == np.float32 and len(block) == sizes[i] * decoder.config.frame_length
            pcm[i].append(block)
    for stream in streams:
        stream.close()
    return [np.concatenate(blocks) for blocks in pcm]


@given(st.lists(st.dictionaries(st.integers(0, STREAMS - 1), st.integers(0, 15), min_size=1), max_size=10))
@settings(max_examples=25, deadline=None)
def test_any_blocks_of_any_streams_equal_the_whole_decode(
    decoder: VQDecoder, codes: np.ndarray, whole: np.ndarray, rounds: list[dict[int, int]]
) -> None:
    for pcm, expected in zip(decode_rounds(decoder, codes, rounds), whole, strict=True):
        np.testing.assert_allclose(pcm, expected[: len(pcm)], atol=ROUNDING)


@pytest.mark.parametrize("size", [1, 4, 33, FRAMES])
def test_a_stream_longer_than_the_window_equals_the_whole_decode(
    decoder: VQDecoder, codes: np.ndarray, whole: np.ndarray, size: int
) -> None:
    assert decoder.config.transformer.window_size * 4 < FRAMES
    sizes = [min(size, FRAMES - start) for start in range(0, FRAMES, size)]
    pcm = decode_rounds(decoder, codes, [{0: n} for n in sizes])[0]
    np.testing.assert_allclose(pcm, whole[0], atol=ROUNDING)


@pytest.mark.parametrize(
    ("precision", "kernels", "decibels"), [("bf16", "native", 30), ("bf16", "torch", 30), ("int16", "native", 55)]
)
def test_less_precision_stays_close_to_fp32(
    checkpoint: Checkpoint,
    codes: np.ndarray,
    whole: np.ndarray,
    precision: str,
    kernels: str,
    decibels: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Noise this far below the signal; 35 and 61 dB are measured at S1-mini's shapes."""
    if kernels == "torch":
        monkeypatch.setattr("models.codec.native.kernels.precisions", lambda: ())
    elif precision not in precisions():
        pytest.skip(f"there are no kernels for {precision} here")
    tensors = checkpoint.codec_tensors("decoder")
    decoder = VQDecoder(checkpoint.codec_config, tensors, "cpu", precision, max_streams=STREAMS)
    pcm = decode_rounds(decoder, codes, [{0: 4, 1: 25, 2: 25, 3: 25}, {0: 25, 1: 25, 2: 25, 3: 25}] + [{0: 25}] * 3)
    for samples, expected in zip(pcm, whole, strict=True):
        noise = np.square(samples - expected[: len(samples)]).mean()
        assert 10 * np.log10(np.square(expected).mean() / noise) > decibels


@pytest.mark.parametrize("packs", [True, False])
def test_torchs_layers_equal_the_whole_decode(
    checkpoint: Checkpoint, codes: np.ndarray, whole: np.ndarray, packs: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there are no native kernels: with weights packed by oneDNN, and as on every device but a CPU."""
    monkeypatch.setattr("models.codec.native.kernels.precisions", lambda: ())
    if not packs:
        monkeypatch.setattr("models.codec.ops.packs_weights", lambda device, dtype: False)
    tensors = checkpoint.codec_tensors("decoder")
    decoder = VQDecoder(checkpoint.codec_config, tensors, "cpu", "fp32", max_streams=STREAMS)
    pcm = decode_rounds(decoder, codes, [{0: 7, 1: 7}, {0: 40, 1: 3}])
    for samples, expected in zip(pcm, whole, strict=True):
        np.testing.assert_allclose(samples, expected[: len(samples)], atol=ROUNDING)


def test_rotations_are_upstreams_table_and_never_end(checkpoint: Checkpoint) -> None:
    transformer = next(
        layer
        for layer in VQDecoder(
            checkpoint.codec_config, checkpoint.codec_tensors("decoder"), "cpu", "fp32", max_streams=1
        )._layers
        if isinstance(layer, WindowTransformer)
    )
    length = 50_000  # 39 minutes of S1-mini, whose table ends at 4,096
    config = checkpoint.codec_config.transformer
    table = precompute_freqs_cis(length, config.head_dim, config.rope_base).float()
    cos, sin = transformer._rotation(torch.arange(length)[None])
    assert torch.equal(cos[0, :, 0], table[..., 0])
    assert torch.equal(sin[0, :, 0], table[..., 1])


def recordings(lengths: list[int], seed: int = 0) -> list[np.ndarray]:
    random = np.random.default_rng(seed)
    return [(0.3 * random.standard_normal(length)).astype(np.float32) for length in lengths]


def upstream_codes(upstream: DAC, recording: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        return upstream.encode(torch.from_numpy(recording)[None])[0][0].numpy()


def test_codes_are_upstreams_for_recordings_of_unequal_length_in_one_batch(
    upstream: DAC, encoder: ReferenceEncoder
) -> None:
    frame = encoder.config.frame_length
    # Beyond 512 positions of the encoder's transformer (4 a frame), over and under a frame, one sample, none.
    batch = recordings([20 * frame + 7, 150 * frame - 1, 100, 16 * frame, 1, 33 * frame, 0])
    codes = encoder.encode(batch)
    assert [c.shape for c in codes] == [(encoder.config.num_codebooks, n) for n in (21, 150, 1, 16, 1, 33, 0)]
    assert all(c.dtype == np.int16 for c in codes)
    for recording, found in zip(batch[:-1], codes, strict=False):
        np.testing.assert_array_equal(found, upstream_codes(upstream, recording))
    assert len(np.unique(codes[1])) > 50  # the oracle would agree on anything if all frames sounded alike


def test_a_network_in_pieces_is_the_network_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a transformer inside the pieces: each must know at which frame it stands."""
    codec = replace(TINY.codec, encoder_transformer_layers=(0, 0, 1, 1))
    tensors = Checkpoint(build(replace(TINY, codec=codec), tmp_path)).codec_tensors("encoder")
    samples = torch.from_numpy(np.stack(recordings([30 * codec.frame_length] * 2)))[..., None]
    outputs = []
    for frames in (7, 1000):
        monkeypatch.setattr("models.codec.layers._FRAMES_AT_ONCE", frames)
        encoder = ReferenceEncoder(codec, tensors, "cpu", "fp32")
        step = Step(encoder._contexts.allocate(2), slice(0, 2), torch.zeros(2, dtype=torch.int64))
        outputs.append(encoder._layers[0](samples, step))
    torch.testing.assert_close(outputs[0], outputs[1], atol=ROUNDING, rtol=0)


@given(st.lists(st.integers(1, 9000), min_size=1, max_size=4), st.integers(0, 2**32 - 1))
@settings(max_examples=10, deadline=None)
def test_codes_of_a_batch_are_those_of_each_alone(encoder: ReferenceEncoder, lengths: list[int], seed: int) -> None:
    batch = recordings(lengths, seed)
    for recording, codes in zip(batch, encoder.encode(batch), strict=True):
        np.testing.assert_array_equal(codes, encoder.encode([recording])[0])


def test_no_recordings_give_no_codes(encoder: ReferenceEncoder) -> None:
    assert encoder.encode([]) == []
