"""Streams of the VQ-decoder: opening, closing, refusing, and memory that does not grow."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.checkpoint.reader import Checkpoint
from models.codec.native import kernels
from models.types import Busy
from models.vq_decoder import decoder as decoder_module
from models.vq_decoder.decoder import VQDecoder


@pytest.fixture(scope="module")
def checkpoint(tiny: Path) -> Checkpoint:
    return Checkpoint(tiny)


@pytest.fixture
def decoder(checkpoint: Checkpoint) -> VQDecoder:
    return VQDecoder(checkpoint.codec_config, checkpoint.codec_tensors("decoder"), "cpu", "fp32", max_streams=2)


def frames(decoder: VQDecoder, count: int, seed: int = 0) -> np.ndarray:
    shape = (decoder.config.num_codebooks, count)
    return np.random.default_rng(seed).integers(0, decoder.config.codebook_size, shape).astype(np.int16)


def test_a_row_used_before_starts_silent(decoder: VQDecoder) -> None:
    codes = frames(decoder, 9)
    first = decoder.open()
    fresh = decoder.decode([(first, codes)])[0]
    first.close()
    again = decoder.open()
    assert again.row == first.row
    np.testing.assert_array_equal(decoder.decode([(again, codes)])[0], fresh)


def test_one_stream_more_than_fits_is_refused_until_another_closes(decoder: VQDecoder) -> None:
    streams = [decoder.open(), decoder.open()]
    with pytest.raises(Busy):
        decoder.open()
    streams[0].close()
    streams[0].close()
    assert decoder.open().row == streams[0].row
    with pytest.raises(Busy):
        decoder.open()


def test_what_cannot_be_decoded_is_refused_and_changes_nothing(decoder: VQDecoder) -> None:
    codes = frames(decoder, 6)
    stream, closed = decoder.open(), decoder.open()
    closed.close()
    expected = decoder.decode([(stream, codes[:, :3])])[0]
    for blocks in (
        [(stream, codes), (closed, codes)],
        [(stream, codes), (stream, codes)],
        [(stream, codes[:-1])],
        [(stream, codes[0])],
    ):
        with pytest.raises(ValueError):
            decoder.decode(blocks)
    other = decoder.open()
    rest = decoder.decode([(stream, codes[:, 3:])])[0]
    np.testing.assert_allclose(np.concatenate([expected, rest]), decoder.decode([(other, codes)])[0], atol=1e-5)


def test_no_frames_give_no_samples(decoder: VQDecoder) -> None:
    stream = decoder.open()
    assert len(decoder.decode([(stream, frames(decoder, 0))])[0]) == 0
    assert stream.position == 0
    assert decoder.decode([]) == []


def test_blocks_of_all_lengths_run_padded_as_one_batch(checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on an accelerator: the same audio as each stream alone, in calls of few shapes."""
    options = checkpoint.codec_config, checkpoint.codec_tensors("decoder"), "cpu", "fp32"
    monkeypatch.setattr(kernels, "precisions", lambda: ())
    plain = VQDecoder(*options, max_streams=4)
    monkeypatch.setattr(decoder_module, "chooses_by_shape", lambda device: True)
    padded = VQDecoder(*options, max_streams=4)
    padded._layers[-1]._whole = True
    assert padded.state_bytes == plain.state_bytes
    padded.warm_up([4, 8], [1, 2, 4])
    shapes = set()
    forward = padded._forward
    padded._forward = lambda codes, step: (shapes.add(codes.shape), forward(codes, step))[1]
    codes = [frames(plain, 30, seed) for seed in range(3)]
    ends = [[3, 7, 12, 30], [8, 8, 15], [1, 2, 10, 11, 12]]
    streams, done = [padded.open() for _ in range(3)], [0, 0, 0]
    heard: list[list[np.ndarray]] = [[], [], []]
    for turn in range(5):
        taking = [i for i in range(3) if turn < len(ends[i])]
        blocks = [(streams[i], codes[i][:, done[i] : ends[i][turn]]) for i in taking]
        for i, pcm in zip(taking, padded.decode(blocks), strict=True):
            heard[i].append(pcm)
            done[i] = ends[i][turn]
    assert {shape[::2] for shape in shapes} == {(4, 8), (2, 4), (2, 18), (1, 4)}
    assert not any(tail[4].any() for tail in padded._tails)  # the row of padding stays silent
    for i, stream in enumerate(streams):
        assert stream.position == done[i]
        expected = plain.decode([(plain.open(), codes[i][:, : done[i]])])[0]
        np.testing.assert_allclose(np.concatenate(heard[i]), expected, atol=1e-5)


def test_codes_beyond_a_codebook_sound_like_its_last(decoder: VQDecoder) -> None:
    codes = frames(decoder, 4)
    beyond, last = codes.copy(), codes.copy()
    beyond[0], last[0] = 32767, decoder.config.semantic_codebook_size - 1
    beyond[1:], last[1:] = 32767, decoder.config.codebook_size - 1
    a, b = decoder.open(), decoder.open()
    np.testing.assert_array_equal(*decoder.decode([(a, beyond), (b, last)]))


def test_state_is_allocated_once_and_the_stream_has_no_last_position(decoder: VQDecoder) -> None:
    stream, codes = decoder.open(), frames(decoder, 400)
    before = [tail.data_ptr() for tail in decoder._tails]
    for _ in range(4):  # upstream's table of this checkpoint ends at position 1,024
        pcm = decoder.decode([(stream, codes)])[0]
    assert stream.position == 1600
    assert np.isfinite(pcm).all()
    assert [tail.data_ptr() for tail in decoder._tails] == before
    assert decoder.state_bytes * decoder.max_streams == sum(tail.nbytes for tail in decoder._tails)


def test_warm_up_leaves_all_streams_free(decoder: VQDecoder) -> None:
    decoder.warm_up([1, 4], batch_sizes=[1, 2])
    assert sorted([decoder.open().row, decoder.open().row]) == [0, 1]
