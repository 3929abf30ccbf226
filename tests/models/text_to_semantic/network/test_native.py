"""The native kernels against themselves, in every way of running a stream."""

from __future__ import annotations

import resource
import sys
from functools import cache

import pytest
import torch

from models.native import build
from models.text_to_semantic.native.network import NativeNetwork
from models.text_to_semantic.native.packing import LANES
from tests.models.text_to_semantic.network.small_network import prompt, sampling, small_weights

if reason := build.available():
    pytest.skip(reason, allow_module_level=True)


def native(slots: int = 1, threads: int = 1, bits: int = 8) -> NativeNetwork:
    return NativeNetwork(small_weights(), slots=slots, positions=1100, threads=threads, bits=bits)


def start(network: NativeNetwork, slot: int, length: int, seed: int, chunk: int = 10**6) -> list[int]:
    values = prompt(length, seed)
    network.reset(slot, sampling(seed))
    for begin in range(0, length, chunk):
        hidden = network.prefill(slot, values[:, begin : begin + chunk], begin)
    return network.first_frame(slot, hidden)[0].tolist()


@cache
def solo(bits: int) -> NativeNetwork:
    return native(bits=bits)


@cache
def alone(length: int, seed: int, frames: int = 24, bits: int = 8) -> list[list[int]]:
    network = solo(bits)
    return [start(network, 0, length, seed), *(network.decode_rows([0])[0].tolist() for _ in range(frames - 1))]


@pytest.mark.parametrize("bits", [8, 4])
@pytest.mark.parametrize("chunk", [1, 7, 64, 300])
@pytest.mark.parametrize("threads", [1, 3])
def test_chunks_and_threads_change_no_bit(chunk: int, threads: int, bits: int) -> None:
    network, expected = native(threads=threads, bits=bits), alone(301, 3, bits=bits)
    assert start(network, 0, 301, 3, chunk) == expected[0]
    assert [network.decode_rows([0])[0].tolist() for _ in range(23)] == expected[1:]


@pytest.mark.parametrize("bits", [8, 4])
@pytest.mark.parametrize("rows", [8, 15, 16, 70])
def test_amx_changes_no_bit(rows: int, bits: int) -> None:
    """Where the machine has matrix tiles; elsewhere both are compiled to the same."""
    hidden = []
    for flags in ((), ("-DSHOAL_WITHOUT_AMX",)):
        network = NativeNetwork(small_weights(), slots=1, positions=200, threads=2, bits=bits, flags=flags)
        network.reset(0, sampling(1))
        hidden.append(network.prefill(0, prompt(rows, 4), 0))
    assert torch.equal(*hidden)


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_a_crowd_with_holes_and_pauses_changes_no_bit(threads: int) -> None:
    """Streams of unequal length start one by one in scattered slots, pause, go on; slots between them stay empty."""
    network = native(slots=16, threads=threads)
    places = {seed: slot for seed, slot in enumerate([3, 0, 15, 5, 6, 7, 8, 9, 10, 11, 12])}
    got: dict[int, list[list[int]]] = {}
    for step in range(50):
        if step % 2 == 0 and step // 2 in places:
            seed = step // 2
            got[seed] = [start(network, places[seed], 20 + 11 * seed, seed)]
        for seed in got:
            network.set_active(places[seed], (step + seed) % 5 != 0 and len(got[seed]) < 24)
        frames = network.decode(16, 0)
        for seed, slot in places.items():
            if network._active[slot]:
                got[seed].append(frames[slot].tolist())
    assert min(len(frames) for frames in got.values()) >= 15
    for seed, frames in got.items():
        assert frames == alone(20 + 11 * seed, seed)[: len(frames)]


def test_a_slot_taken_over_in_the_middle_is_as_new() -> None:
    network = native(slots=2)
    for length, seed in ((400, 0), (20, 1), (301, 3)):
        frames = [start(network, 1, length, seed)]
        frames += [network.decode(2, 0)[1].tolist() for _ in range(9)]
        assert frames == alone(length, seed)[:10]


@pytest.mark.parametrize("length", [16, 90, 97])
def test_a_restored_prefix_continues_as_a_whole_prefill(length: int) -> None:
    network = native(slots=3)
    whole = start(network, 0, 120, 5)
    prefix = network.copy_prefix(0, length)
    start(network, 2, 200, 6)  # leaves other keys behind
    network.reset(2, sampling(5))
    network.restore_prefix(2, prefix)
    hidden = network.prefill(2, prompt(120, 5)[:, length:], length)
    assert network.first_frame(2, hidden)[0].tolist() == whole


def test_slots_read_one_kept_prefix() -> None:
    network = native(slots=3)
    whole = start(network, 0, 120, 5)
    prefix = network.copy_prefix(0, 97)
    network.release(0)
    frames = []
    for slot in (1, 2):
        network.reset(slot, sampling(5))
        network.restore_prefix(slot, prefix)
        again = network.copy_prefix(slot, 97)
        assert torch.equal(again.tensors[0], prefix.tensors[0]), "a prefix can be kept anew from a slot that shares it"
        hidden = network.prefill(slot, prompt(120, 5)[:, 97:], 97)
        assert not network._slot_cache(slot)[: 97 // LANES].any(), "whole blocks are read where they are kept"
        frames.append([network.first_frame(slot, hidden)[0].tolist()])
    for _ in range(20):
        for rows, frame in zip(frames, network.decode(3, 0)[1:], strict=True):
            rows.append(frame.tolist())
    assert frames[0] == frames[1] == alone(120, 5)[:21] and frames[0][0] == whole
    network.reset(1, sampling(3))  # and a slot that shared is as new
    assert start(network, 1, 120, 3) == alone(120, 3)[0]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux takes pages back")
def test_a_finished_utterance_gives_its_memory_back() -> None:
    network = native(slots=2)
    kept, gone = (start(network, slot, 300, 7) for slot in (0, 1))
    before = [network._slot_cache(slot).count_nonzero() for slot in (0, 1)]
    network.release(1)
    after = [network._slot_cache(slot).count_nonzero() for slot in (0, 1)]
    assert after[0] == before[0] and after[1] < before[1] / 2, "all but the pages shared with the other slot"
    assert start(network, 1, 300, 7) == gone == kept


def test_positions_outside_a_slot_are_refused() -> None:
    network = native()
    with pytest.raises(ValueError, match="no room"):
        network.prefill(0, prompt(10), 1095)
    with pytest.raises(ValueError, match="no room"):
        network.prefill(1, prompt(10), 0)


def test_memory_stays_flat_over_a_thousand_frames() -> None:
    network = native(slots=2, threads=2)

    def utterance() -> int:
        for slot in range(2):
            start(network, slot, 40, slot)
        for _ in range(1000):
            network.decode(2, 0)
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    assert utterance() + 2048 > utterance()  # KB
