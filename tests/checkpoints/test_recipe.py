"""The recipe of the starter checkpoint at toy scale: the same commands, a few steps, no teachers."""

from __future__ import annotations

import dataclasses
import io
import json
import runpy
import sys
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import yaml
from fish_speech.content_sequence import ContentSequence, TextPart, VQPart

from checkpoints.recipe import export, settings, state, train_codec, train_lm
from checkpoints.recipe.networks import codec as codec_network
from checkpoints.recipe.networks.language_model import GUIDED, guidance, losses
from checkpoints.recipe.networks.sequences import Corpus
from models.checkpoint.reader import Checkpoint
from models.text_to_semantic.load import load_engine
from tests.paths import ROOT

pytestmark = pytest.mark.slow

STARTER = ROOT / "checkpoints" / "recipe" / "starter.yaml"
RATES = {"rate": 1e-3, "last_rate": 5e-4}
PHASES = [{"until": 2, "batch": 3, "length": 192} | RATES, {"until": 4, "batch": 2, "length": 256} | RATES]
TEXTS = ["One fish.", "Two fish swim by.", "Red fish, blue fish."]


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A settings file of the smallest run, and a corpus of tones that it trains on."""
    work = tmp_path_factory.mktemp("recipe")
    raw = yaml.safe_load(STARTER.read_text())
    raw["work"] = str(work)
    raw["parts"] = [{"name": "tones", "teacher": "none", "hours": 1, "each": 3, "weight": 1.0}]
    raw["codec"] |= {
        "phases": [{"until": 4, "batch": 2} | RATES],
        "plain_steps": 2,
        "listening": 0,
        "seconds": 0.2,
        "compile": False,
    }
    raw["lm"]["shape"] |= {
        "dim": 128,
        "n_layer": 4,
        "n_head": 4,
        "n_local_heads": 4,
        "head_dim": 32,
        "max_seq_len": 2048,
    }
    raw["lm"] |= {"phases": PHASES, "fast_frames": 16, "held_out_speakers": 1, "compile": False}
    raw["codec"]["architecture"] = str(STARTER.parent / "codec.yaml")
    path = work / "toy.yaml"
    path.write_text(yaml.safe_dump(raw))
    (work / "data").mkdir()
    start, rng = 0, np.random.default_rng(0)
    with (work / "data" / "tones.pcm").open("wb") as pcm, (work / "data" / "tones.jsonl").open("w") as index:
        for i in range(12):
            text, samples = TEXTS[i % 3], 6400 + 1600 * (i % 3)
            tone = np.sin(np.arange(samples) * 2 * np.pi * (150 + 20 * (i // 3)) / 16000) * 0.3
            pcm.write(((tone + 0.05 * rng.standard_normal(samples)) * 32767).astype("<i2").tobytes())
            ends = np.linspace(0, samples / 16, len(text) + 1)[1:].astype(int).tolist()
            line = {"speaker": f"tone-{i // 3}", "text": text, "start": start, "samples": samples, "ends": ends}
            index.write(json.dumps(line) + "\n")
            start += samples
    return path


def run(command: str, *arguments: object) -> str:
    """What a command prints. It runs in this process, which has imported torch already."""
    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(printed):
        patch.setattr(sys, "argv", [command, *map(str, arguments)])
        runpy.run_path(str(STARTER.with_name(f"{command}.py")), run_name="__main__")
    return printed.getvalue()


@pytest.fixture(scope="module")
def trained(toy: Path) -> Path:
    """The toy's checkpoint directory, made by the recipe's own commands."""
    directory = toy.parent / "checkpoint"
    run("train_codec", toy)
    run("export", toy, directory)
    run("encode", toy, directory)
    run("train_lm", toy)
    run("export", toy, directory)
    return directory


def test_what_was_trained_passes_the_strict_reader_and_speaks(trained: Path) -> None:
    checkpoint = Checkpoint(trained)
    assert checkpoint.codec_tensors("decoder") and checkpoint.codec_tensors("encoder")
    _, engine = load_engine(
        checkpoint, device="cpu", dtype=torch.float32, quantization="none", compiled=False, slots=1, threads=2,
        voices=0, lead=1000,
    )  # fmt: skip
    engine.stop()


def test_training_goes_on_where_it_stopped(toy: Path, trained: Path) -> None:
    raw = yaml.safe_load(toy.read_text())
    raw["codec"]["phases"][-1]["until"] = raw["lm"]["phases"][-1]["until"] = 6
    longer = toy.with_name("longer.yaml")
    longer.write_text(yaml.safe_dump(raw))
    assert "going on from step 4" in run("train_codec", longer)
    assert "going on from step 4" in run("train_lm", longer)


def test_the_decoder_alone_learns_without_touching_the_codes(toy: Path, trained: Path, tmp_path: Path) -> None:
    chosen = settings.load(toy)
    elsewhere = dataclasses.replace(chosen, work=tmp_path)
    (tmp_path / "data").symlink_to(chosen.work / "data")
    before = torch.load(trained / "codec.pth")
    alone = settings.CodecPhase(until=6, **RATES, batch=2, decoder=True)

    def changed(*phases: settings.CodecPhase) -> set[str]:
        state.restore(elsewhere, trained, step=4)
        train_codec.train(elsewhere, dataclasses.replace(chosen.codec, phases=(*chosen.codec.phases, *phases)), "cpu")
        after = torch.load(tmp_path / "codec-state.pth")["codec"]
        return {name for name in before if not torch.equal(before[name].float(), after[f"dac.{name}"].float())}

    learns = ("decoder.", "quantizer.upsample.", "quantizer.post_module.")
    assert all(name.startswith(learns) for name in changed(alone))
    assert {name.split(".")[0] for name in changed(alone)} == {"decoder", "quantizer"}
    then_all = settings.CodecPhase(until=8, **RATES, batch=2)
    assert "encoder" in {name.split(".")[0] for name in changed(alone, then_all)}


def test_training_goes_on_from_a_checkpoint_directory(toy: Path, trained: Path, tmp_path: Path) -> None:
    chosen = settings.load(toy)
    elsewhere = dataclasses.replace(chosen, work=tmp_path / "elsewhere")
    state.restore(elsewhere, trained, step=4)
    (elsewhere.work / "data").symlink_to(chosen.work / "data")
    train_lm.train(elsewhere, "cpu", minutes=0)
    train_codec.train(elsewhere, elsewhere.codec, "cpu")
    export.export(elsewhere, tmp_path / "again")
    for name in ("model.pth", "codec.pth"):
        torch.testing.assert_close(torch.load(tmp_path / "again" / name), torch.load(trained / name), atol=0, rtol=0)


def test_settings_name_the_key_that_does_not_belong(toy: Path, tmp_path: Path) -> None:
    raw = yaml.safe_load(toy.read_text())
    raw["lm"]["stepz"] = 1
    (tmp_path / "wrong.yaml").write_text(yaml.safe_dump(raw))
    with pytest.raises(ValueError, match=r"lm: no setting \['stepz'\]"):
        settings.load(tmp_path / "wrong.yaml")


def test_the_codecs_training_form_computes_what_upstream_computes() -> None:
    torch.manual_seed(0)
    codec = codec_network.build(STARTER.parent / "codec.yaml").eval()
    audio = torch.randn(2, 1, 3200) * 0.1
    with torch.no_grad():
        latents = codec.encoder(audio)
        torch.testing.assert_close(codec_network.run(codec.encoder, codec_network.last(audio))[:, :, 0], latents)
        sound = codec_network.run(codec.decoder, codec_network.last(latents))[:, :, 0]
        torch.testing.assert_close(sound, codec.decoder(latents))
        with torch.autocast("cpu", torch.bfloat16):
            rounded = codec_network.run(codec.encoder, codec_network.last(audio))[:, :, 0].float()
            heard = codec_network.run(codec.decoder, codec_network.last(latents))[:, :, 0].float()
    for found, exact in ((rounded, latents), (heard, sound)):
        assert (found - exact).norm() < 0.05 * exact.norm(), "bf16 may round, not compute something else"


@pytest.fixture
def corpus(toy: Path, trained: Path) -> tuple[settings.Settings, Corpus]:
    chosen = settings.load(toy)
    tokenizer = train_lm.network(chosen).tokenizer
    return chosen, Corpus(chosen.work / "data", chosen.parts, tokenizer, 1)


def test_sequences_are_laid_out_as_upstreams_prompts(corpus: tuple[settings.Settings, Corpus]) -> None:
    chosen, data = corpus
    utterances = data.speakers[0]
    values, spoken, wanted = data.sequence(utterances, chosen.lm.phases[-1].length)
    upstream = ContentSequence(modality="interleave")
    for utterance in utterances:
        text, codes, _ = data.utterances[utterance]
        upstream.append([TextPart(text=text), VQPart(codes=torch.from_numpy(codes.T.astype("int32")))], True, speaker=0)
    tokenizer = train_lm.network(chosen).tokenizer
    expected = upstream.encode_for_inference(tokenizer, num_codebooks=8)[0].numpy()
    assert (values[:, : expected.shape[1]] == expected).all() and not values[:, expected.shape[1] :].any()
    frames = sum(len(data.utterances[utterance][1]) for utterance in utterances)
    assert (spoken >= 0).sum() == frames and wanted.sum() == frames + len(utterances)
    text = data.utterances[utterances[0]][0]
    read = bytes(values[0, spoken[spoken >= 0][: len(data.utterances[utterances[0]][1])].astype(int)].tolist()).decode()
    assert "".join(a for a, b in zip(read, " " + read, strict=False) if a != b) == "".join(
        a for a, b in zip(text, " " + text, strict=False) if a != b
    )


def test_losses_are_those_of_upstreams_own_layers(corpus: tuple[settings.Settings, Corpus]) -> None:
    chosen, data = corpus
    torch.manual_seed(1)
    model = train_lm.network(chosen).eval()
    parts = train_lm.prepare(data.draw(np.random.default_rng(0), 2, 256), model, chosen.lm, 0.0, 0)
    values, noisy, _, wanted, _, frames = parts
    assert (values == noisy).all()
    with torch.no_grad():
        slow, fast, told = losses(model, (1, 3), *parts)
        x, length = model.embed(values[:, :, :-1].clone()), 255
        for layer in model.layers:
            x = layer(x, model.freqs_cis[:length], model.causal_mask[None, None, :length, :length])
        logits = F.linear(model.norm(x), model.embeddings.weight)
        torch.testing.assert_close(F.cross_entropy(logits[wanted[:, :-1]], values[:, 0, 1:][wanted[:, :-1]]), slow)
        codes = values[frames[:, 0], 1:, frames[:, 1] + 1]
        hidden = model.fast_project_in(x[frames[:, 0], frames[:, 1]])
        y = torch.cat([hidden[:, None], model.fast_embeddings(codes[:, :-1])], 1)
        for layer in model.fast_layers:
            y = layer(y, model.fast_freqs_cis, model.causal_mask[None, None, :8, :8])
        guesses = model.fast_output(model.fast_norm(y))[:, 1:]
        torch.testing.assert_close(F.cross_entropy(guesses.flatten(0, 1), codes[:, 1:].flatten()), fast)
    assert told > 0


def test_guidance_is_nothing_for_heads_that_look_where_they_should() -> None:
    heads, length, place = len(GUIDED), 16, 4
    rows, spoken = torch.tensor([[12]]), torch.full((1, length), -1.0)
    spoken[0, 12] = place
    q, k = torch.zeros(1, heads, length, 2), torch.zeros(1, heads, length, 2)
    q[0, :, 12, 0] = 100.0
    for head, (low, high) in enumerate(GUIDED):
        k[0, head, place + int(high - 0.5), 0] = 100.0
        assert low < int(high - 0.5) < high
    assert guidance(q, k, rows, spoken) < 1e-3
    assert guidance(q, k.roll(5, 2), rows, spoken) > 10
    assert guidance(q, k.roll(5, 2), torch.tensor([[3]]), spoken) == 0  # nothing is spoken there


def test_parts_are_drawn_from_by_weight_keep_a_speaker_each_and_one_speaks_alone(tmp_path: Path, toy: Path) -> None:
    chosen = settings.load(toy)
    counts = {"small": 3, "large": 9, "plain": 1}  # speakers of two utterances each
    for name, count in counts.items():
        np.savez(
            tmp_path / f"{name}.codes",
            codes=np.zeros((2 * count, 8), np.uint16),
            starts=np.arange(2 * count + 1),
            speakers=np.array([f"{i // 2}" for i in range(2 * count)]),
            texts=np.array([f"{name} {i // 2}" for i in range(2 * count)]),
            ends=np.ones(2 * count * 8, np.float32),
            characters=np.arange(2 * count + 1) * 8,
        )
    parts = [settings.Part("small", weight=0.6), settings.Part("large", weight=0.2)]
    parts.append(settings.Part("plain", weight=0.2, alone=True))
    tokenizer = train_lm.network(chosen).tokenizer
    data = Corpus(tmp_path, parts, tokenizer, 2)
    assert [data.utterances[speaker[0]][0] for speaker in data.held_out] == ["small 0", "large 0"]
    small = [data.utterances[speaker[0]][0].startswith("small") for speaker in data.speakers]
    assert len(small) == 11 and data.shares[small].sum() == pytest.approx(0.6)
    batch = data.draw(np.random.default_rng(0), 40, 128)
    for values, wanted in zip(batch.values, batch.wanted, strict=True):
        first, second = np.flatnonzero(values[0] == data.end)
        is_plain = bytes(values[0, 1 + len(data.speaker) :][:5].tolist()) == b"plain"
        assert wanted[first + 1 : second].sum() == 2 and wanted[:first].sum() == (2 if is_plain else 0)
    everyone = Corpus(tmp_path, parts[:2], tokenizer, 2).draw(np.random.default_rng(0), 40, 128)
    assert (everyone.wanted.sum(1) == 4).all(), "without a chosen speaker all learn to speak alone"


def test_a_part_may_stand_for_many() -> None:
    part = settings.Part("small", hours=2, weight=0.6, seed=7, count=3)
    names = [(each.name, each.seed, each.hours, round(each.weight, 3)) for each in settings.numbered(part)]
    assert names == [("small1", 7, 2, 0.2), ("small2", 8, 2, 0.2), ("small3", 9, 2, 0.2)]


def test_one_part_is_chosen_by_its_name() -> None:
    parts = (settings.Part("one"), settings.Part("two"))
    assert settings.named(parts, None) == list(parts) and settings.named(parts, "two") == [parts[1]]
    with pytest.raises(ValueError, match="no part three: choose one of one, two"):
        settings.named(parts, "three")


@pytest.mark.parametrize("count", [0, 2, 20])
def test_batches_are_drawn_ahead_in_order(count: int) -> None:
    assert list(train_lm.ahead(lambda step: [step], range(7, 7 + count))) == [[step] for step in range(7, 7 + count)]


def test_a_batch_that_cannot_be_drawn_ends_the_training() -> None:
    def draw(step: int) -> list[int]:
        return [1 // (8 - step)]

    drawn = train_lm.ahead(draw, range(20))
    assert [next(drawn) for _ in range(8)]
    with pytest.raises(ZeroDivisionError):
        next(drawn)
