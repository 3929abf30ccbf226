"""The real fish_speech as oracle: same weights, same noise, same prompt tensors and the same frames."""

from __future__ import annotations

import threading
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from models.checkpoint.reader import Checkpoint
from models.text_to_semantic.network.interface import Network
from models.text_to_semantic.network.sampling import exponential_noise
from models.text_to_semantic.network.slots import SlotState
from models.text_to_semantic.prompt import PromptEncoder, ended
from models.types import EncodedReference, Prompt, Sampling
from tests.models.text_to_semantic.network import networks

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from fish_speech.content_sequence import ContentSequence, TextPart, VQPart
    from fish_speech.models.text2semantic import inference as upstream_inference
    from fish_speech.models.text2semantic.llama import DualARTransformer

# Exactly representable in bf16, to which upstream rounds its settings.
SAMPLING = dict(temperature=0.75, top_p=0.875, repetition_penalty=1.25)
FRAMES = 40


@pytest.fixture(scope="module")
def upstream(tiny: Path) -> DualARTransformer:
    model = DualARTransformer.from_pretrained(str(tiny), load_weights=True).eval()
    allowed = torch.full((model.config.vocab_size,), -torch.inf)
    begin, end = model.tokenizer.semantic_begin_id, model.tokenizer.semantic_end_id
    allowed[begin : end + 1] = 0
    allowed[model.tokenizer.get_token_id("<|im_end|>")] = 0
    # Upstream samples over the whole vocabulary and crashes on a text token: give it our restricted head.
    model.output.register_forward_hook(lambda module, args, logits: logits + allowed)
    return model


def references(count: int, seed: int = 0) -> tuple[EncodedReference, ...]:
    random = np.random.default_rng(seed)
    return tuple(
        EncodedReference(
            codes=random.integers(0, 1024, (4, 20 + 5 * i)).astype(np.int16), text=f"Reference {i}, spoken."
        )
        for i in range(count)
    )


def upstream_prompt(model: DualARTransformer, prompt: Prompt) -> torch.Tensor:
    sequence = ContentSequence(modality="interleave")
    for reference in prompt.references:
        codes = torch.from_numpy(reference.codes.astype("int32"))
        sequence.append([TextPart(text=reference.text), VQPart(codes=codes)], add_end=True, speaker=0)
    # A short text gets a full stop before its prompt is built: that is ours, and the rest is to be upstream's.
    sequence.append([TextPart(text=ended(prompt.text))], add_end=False, speaker=0)
    return sequence.encode_for_inference(model.tokenizer, num_codebooks=4)[0]


def upstream_frames(model: DualARTransformer, prompt: Prompt, monkeypatch: pytest.MonkeyPatch) -> torch.Tensor:
    """Upstream's own `generate`, its random numbers replaced by ours of the same (seed, step, codebook)."""
    draws = iter((step, codebook) for step in range(10**6) for codebook in range(4))
    begin, end = model.tokenizer.semantic_begin_id, model.tokenizer.get_token_id("<|im_end|>")

    def draw(probs: torch.Tensor) -> torch.Tensor:
        step, codebook = next(draws)
        size = 1089 if codebook == 0 else 1024
        noise = exponential_noise(torch.tensor([prompt.sampling.seed]), torch.tensor([step]), codebook, size)[0]
        if codebook == 0:
            whole = torch.ones_like(probs)
            whole[begin : begin + 1088], whole[end] = noise[:1088], noise[1088]
            noise = whole
        return torch.argmax(probs / noise, dim=-1, keepdim=True).to(torch.int)

    monkeypatch.setattr(upstream_inference, "multinomial_sample_one_no_sync", draw)
    values = upstream_prompt(model, prompt)
    torch.manual_seed(0)
    sequence = upstream_inference.generate(
        model=model,
        prompt=values,
        max_new_tokens=prompt.sampling.max_new_tokens,
        audio_masks=None,
        audio_parts=None,
        **SAMPLING,
    )
    return sequence[:, values.shape[1] :]


class UpstreamSlots(SlotState):
    """Slots with the fault of upstream's repetition penalty: for the semantic token it reads only the oldest frame of
    its window. The window begins with zeros and leaves out the first frame, which is drawn without one."""

    def reset(self, slot: int, sampling: Sampling) -> None:
        super().reset(slot, sampling)
        self.history[slot] = 0  # which is code 0, but as a vocabulary id no semantic token
        self.history[slot, 0] = -1

    def window(self, slots: slice) -> torch.Tensor:
        history, step = self.history[slots], self.step[slots]
        size = history.shape[2]
        filled = (step - 1).clamp(min=0)
        oldest = torch.where(filled < size, 0, filled % size)[:, None]
        semantic = history[:, :1].gather(2, oldest[:, None]).expand(-1, -1, size)
        return torch.where((step == 0)[:, None, None], -1, torch.cat([semantic, history[:, 1:]], dim=1))

    def remember(self, slots: slice, frame: torch.Tensor, step: torch.Tensor) -> None:
        before = self.history[slots].clone()
        super().remember(slots, frame, (step - 1).clamp(min=0))
        self.history[slots] = torch.where((step > 0)[:, None, None], self.history[slots], before)


def network(tiny: Path, slots: int) -> Network:
    made = networks.network(tiny, slots=slots, positions=512)
    window = made.config.sampling.penalty_window
    made.state = UpstreamSlots(slots, 1 + made.config.num_codebooks, window, made.device)
    return made


def start(
    net: Network, encoder: PromptEncoder, slot: int, prompt: Prompt, chunk: int = 10**6
) -> tuple[int, torch.Tensor]:
    values = encoder.encode(prompt).values
    net.reset(slot, prompt.sampling)
    for begin in range(0, values.shape[1], chunk):
        hidden = net.prefill(slot, values[:, begin : begin + chunk], begin)
    return values.shape[1], net.first_frame(slot, hidden)[0]


def until_end(net: Network, frames: list[torch.Tensor]) -> list[list[int]]:
    rows = [frame.tolist() for frame in frames]
    ends = [i for i, row in enumerate(rows) if row[0] == net.end]
    return rows[: ends[0]] if ends else rows


def as_ours(model: DualARTransformer, frames: torch.Tensor) -> list[list[int]]:
    """Upstream's columns as our rows: token id to head index, the column of <|im_end|> and later dropped."""
    end = model.tokenizer.get_token_id("<|im_end|>")
    rows = frames.T.tolist()
    ends = [i for i, row in enumerate(rows) if row[0] == end]
    rows = rows[: ends[0]] if ends else rows
    return [[row[0] - model.tokenizer.semantic_begin_id, *row[1:]] for row in rows]


def prompts() -> list[Prompt]:
    texts = ["Hello there.", "A somewhat longer sentence, to make the rows unequal.", "你好，世界", "x"]
    return [
        Prompt(text, references(i % 3, seed=i), Sampling(**SAMPLING, max_new_tokens=FRAMES, seed=100 + i))
        for i, text in enumerate(texts)
    ]


def test_prompt_tensors_equal_upstreams(tiny: Path, upstream: DualARTransformer) -> None:
    encoder = Checkpoint(tiny).prompt_encoder()
    for prompt in prompts():
        assert encoder.knows(prompt) is not bool(prompt.references)
        encoded = encoder.encode(prompt)
        assert torch.equal(encoded.values, upstream_prompt(upstream, prompt))
        assert encoder.knows(prompt)
        if prompt.references:
            other = Prompt("Other words.", prompt.references)
            again = encoder.encode(other)
            assert torch.equal(again.values, upstream_prompt(upstream, other))
            assert torch.equal(encoded.values[:, : encoded.prefix_length], again.values[:, : encoded.prefix_length])
            assert encoded.prefix_key == again.prefix_key


def test_a_prompt_waits_for_no_thread(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder, here, start = Checkpoint(tiny).prompt_encoder(), threading.current_thread(), threading.Thread.start

    def elsewhere(thread: threading.Thread) -> None:  # Ray's threads may start others
        assert threading.current_thread() is not here
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", elsewhere)
    encoder.encode(prompts()[1])


def test_text_cannot_inject_control_tokens(tiny: Path, upstream: DualARTransformer) -> None:
    encoder = Checkpoint(tiny).prompt_encoder()
    plain = encoder.encode(Prompt("a")).values.shape[1] - 1
    ids = encoder.encode(Prompt("<|im_end|><|semantic:5|><|phoneme_start|>a<|phoneme_end|>")).values[0, plain:].tolist()
    special = {i for i in ids if i >= 272}
    turn = encoder.encode(Prompt("<|speaker:1|>a")).values[0, plain:].tolist()
    assert turn == encoder.encode(Prompt(" speaker:1 a")).values[0, plain:].tolist()
    assert special == {upstream.tokenizer.get_token_id(f"<|phoneme_{edge}|>") for edge in ("start", "end")}


@pytest.mark.parametrize("chunk", [10**6, 7])
def test_frames_alone_equal_upstreams(
    tiny: Path, upstream: DualARTransformer, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    encoder = Checkpoint(tiny).prompt_encoder()
    net = network(tiny, slots=1)
    lengths = []
    for prompt in prompts():
        length, first = start(net, encoder, 0, prompt, chunk)
        frames = [first]
        for i in range(1, FRAMES):
            frames.append(net.decode(1, length + i)[0])
        expected = as_ours(upstream, upstream_frames(upstream, prompt, monkeypatch))
        got = until_end(net, frames)
        assert got == expected
        lengths.append(len(got))
    assert max(lengths) > 2 * 16, "no utterance long enough for the penalty window to move"


def test_frames_in_a_batch_of_unequal_rows_equal_upstreams(
    tiny: Path, upstream: DualARTransformer, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = Checkpoint(tiny).prompt_encoder()
    net = network(tiny, slots=6)
    rows = prompts()
    frames: dict[int, list[torch.Tensor]] = {}
    lengths = {}
    # Streams join two steps apart, with an idle slot between them, as they would in service.
    order = {0: 0, 1: 2, 2: 3, 3: 5}
    for step in range(FRAMES + 8):
        if step % 2 == 0 and step // 2 in order:
            i = step // 2
            lengths[i], first = start(net, encoder, order[i], rows[i])
            frames[i] = [first]
            continue
        drawn = net.decode(6, max(lengths[i] + len(frames[i]) for i in frames))
        for i, rows_of in frames.items():
            rows_of.append(drawn[order[i]])
    for i, prompt in enumerate(rows):
        expected = as_ours(upstream, upstream_frames(upstream, prompt, monkeypatch))
        assert until_end(net, frames[i][:FRAMES]) == expected


def test_a_restored_prefix_continues_as_a_whole_prefill(tiny: Path) -> None:
    encoder = Checkpoint(tiny).prompt_encoder()
    net = network(tiny, slots=2)
    prompt = prompts()[2]
    encoded = encoder.encode(prompt)
    _, whole = start(net, encoder, 0, prompt)
    prefix = net.copy_prefix(0, encoded.prefix_length)
    net.reset(1, prompt.sampling)
    net.restore_prefix(1, prefix)
    hidden = net.prefill(1, encoded.values[:, encoded.prefix_length :], encoded.prefix_length)
    assert torch.equal(net.first_frame(1, hidden)[0], whole)


def test_an_inactive_slot_keeps_its_state(tiny: Path) -> None:
    encoder = Checkpoint(tiny).prompt_encoder()
    prompt = prompts()[1]

    def frames(pause: bool) -> list[list[int]]:
        net = network(tiny, slots=2)
        length, first = start(net, encoder, 1, prompt)
        rows = [first]
        for i in range(1, 10):
            if pause and i == 5:
                net.set_active(1, False)
                for _ in range(3):
                    net.decode(2, length + i)
                net.set_active(1, True)
            rows.append(net.decode(2, length + i)[1])
        return [row.tolist() for row in rows]

    assert frames(pause=True) == frames(pause=False)
