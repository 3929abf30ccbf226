"""Trains the language model: `python -m checkpoints.recipe.train_lm checkpoints/recipe/starter.yaml [--device cuda]`.

What is kept is a running mean of the weights, so that any moment is a fair one to stop at; a rate that falls to the end
is better still. State is saved as it goes, and the command goes on from it."""

import argparse
import json
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from fish_speech.models.text2semantic.llama import DualARModelArgs, DualARTransformer
from fish_speech.tokenizer import FishTokenizer
from torch import Tensor, nn

from checkpoints.build import write_tokenizer
from checkpoints.recipe import state
from checkpoints.recipe.networks.language_model import losses
from checkpoints.recipe.networks.sequences import Batch, Corpus
from checkpoints.recipe.settings import LanguageModelTraining, Settings, load, scheduled

QUERIES = 128  # positions of each sequence whose attention is guided in a step
MEAN = 0.999  # of the running mean of the weights
DRAWN_AHEAD = 4  # batches: a GPU learns one faster than it is drawn


def network(settings: Settings) -> DualARTransformer:
    """Upstream's transformer with fresh weights, and its tokenizer: the 256 bytes and the special tokens."""
    directory = settings.work / "lm"
    directory.mkdir(parents=True, exist_ok=True)
    shape = settings.lm.shape
    write_tokenizer(directory, 256, shape["codebook_size"])
    tokenizer = FishTokenizer.from_pretrained(str(directory))
    vocabulary = 256 + len(json.loads((directory / "special_tokens.json").read_text()))
    arguments = DualARModelArgs(vocab_size=vocabulary, dropout=0.0, use_gradient_checkpointing=False, **shape)
    arguments.save(directory / "config.json")
    return DualARTransformer(arguments, tokenizer=tokenizer)


def optimizers_of(model: DualARTransformer) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside layers, AdamW for embeddings, heads and norms. Muon's step has AdamW's size here
    (`match_rms_adamw`, https://arxiv.org/abs/2502.16982), so one rate serves both."""
    inside = [weight for layer in (*model.layers, *model.fast_layers) for weight in layer.parameters()]
    matrices = [weight for weight in inside if weight.ndim == 2]
    chosen = {id(weight) for weight in matrices}
    others = [weight for weight in model.parameters() if id(weight) not in chosen]
    muon = torch.optim.Muon(matrices, weight_decay=0.05, adjust_lr_fn="match_rms_adamw")
    return [muon, torch.optim.AdamW(others, betas=(0.9, 0.95), weight_decay=0.0)]


def follow(means: Sequence[Tensor], weights: Sequence[Tensor], count: Tensor | int) -> None:
    """Moves the running mean; while it is young it follows faster, or it would remember the first random weights."""
    torch._foreach_lerp_(list(means), list(weights), max(1 - MEAN, 9 / (10 + int(count))))


def spoil(values: Tensor, first: int, codebook_size: int, most: float, generator: torch.Generator) -> Tensor:
    """A share of the frames, up to `most` and drawn for each sequence, replaced by other frames of the batch. Without
    it the model continues the frames it has heard and ignores the text: earlier frames identify a training sentence."""
    holds = (values[:, 0] >= first) & (values[:, 0] < first + codebook_size)
    shares = torch.rand(len(values), 1, generator=generator) * most
    row, column = (holds & (torch.rand(holds.shape, generator=generator) < shares)).nonzero(as_tuple=True)
    pool = holds.nonzero()
    source = pool[torch.randint(len(pool), (len(row),), generator=generator)]
    noisy = values.clone()
    noisy[row, :, column] = values[source[:, 0], :, source[:, 1]]
    return noisy


def prepare(
    batch: Batch, model: DualARTransformer, training: LanguageModelTraining, noise: float, seed: int
) -> list[Tensor]:
    """The arguments of `losses` but the first two."""
    generator = torch.Generator().manual_seed(seed)
    values, spoken, wanted = (torch.from_numpy(part) for part in (batch.values, batch.spoken, batch.wanted))
    first, size = model.tokenizer.semantic_begin_id, model.config.codebook_size
    noisy = spoil(values, first, size, noise, generator)
    heard = spoken[:, :-1] >= 0
    rows = torch.multinomial(heard.float() + 1e-6, QUERIES, generator=generator)
    pairs = heard.nonzero()
    frames = pairs[torch.randint(len(pairs), (training.fast_frames,), generator=generator)]
    return [values, noisy, spoken, wanted, rows, frames]


def ahead(draw: Callable[[int], list[Tensor]], steps: range) -> Iterator[list[Tensor]]:
    """The batches that `draw` makes of the steps, in order, drawn while those before are learned."""
    with ThreadPoolExecutor(DRAWN_AHEAD) as threads:
        waiting: deque[Future[list[Tensor]]] = deque()
        for step in steps:
            waiting.append(threads.submit(draw, step))
            if len(waiting) > DRAWN_AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


@torch.no_grad()
def judge(model: DualARTransformer, corpus: Corpus, settings: Settings, device: str) -> dict[str, float]:
    """Nats a frame on speakers kept from training: as it is, with another text, with another speaker before."""
    results, rng = {}, np.random.default_rng(7)
    for kind in ("right", "wrong_text", "wrong_voice"):
        rows = []
        for number, speaker in enumerate(corpus.held_out * 4):
            reference, utterance, other = rng.choice(speaker, 3, replace=False).tolist()
            if kind == "wrong_voice":
                reference = corpus.held_out[(number + 1) % len(corpus.held_out)][number // len(corpus.held_out)]
            kept = corpus.utterances[utterance]
            if kind == "wrong_text":
                corpus.utterances[utterance] = (corpus.utterances[other][0], *kept[1:])
            values, spoken, wanted = corpus.sequence([reference, utterance], settings.lm.phases[-1].length)
            corpus.utterances[utterance] = kept
            wanted[: corpus.first_end(values) + 1] = False  # only the second utterance counts
            rows.append((values, spoken, wanted))
        batch = Batch(*(np.stack(part) for part in zip(*rows, strict=True)))
        parts = [part.to(device) for part in prepare(batch, model, settings.lm, 0.0, 0)]
        with torch.autocast(device, torch.bfloat16):
            results[kind] = round(float(losses(model, (), *parts)[0]), 3)
    return results


def train(settings: Settings, device: str, minutes: float) -> None:
    """Train up to the last phase's end or for so many minutes, from the state that is kept."""
    torch.manual_seed(settings.seed)
    training = settings.lm
    model = network(settings).to(device).train()
    mean = torch.optim.swa_utils.AveragedModel(model, multi_avg_fn=follow)
    corpus = Corpus(settings.work / "data", settings.parts, model.tokenizer, training.held_out_speakers)
    optimizers = optimizers_of(model)
    kept = settings.work / "lm-state.pth"
    step = state.resume(kept, optimizers, device, model=model, mean=mean)
    print(
        f"{len(corpus.utterances)} utterances, {sum(p.numel() for p in model.parameters()) / 1e6:.1f} M weights",
        flush=True,
    )
    forward = torch.compile(losses, dynamic=False) if training.compile else losses
    log, history, started, began = (settings.work / "lm.log").open("a"), [], time.monotonic(), step
    deadline = time.monotonic() + minutes * 60

    def draw(step: int) -> list[Tensor]:
        phase = scheduled(training.phases, step)[0]
        batch = corpus.draw(np.random.default_rng((settings.seed, step)), phase.batch, phase.length)
        return prepare(batch, model, training, training.noise, step)

    for drawn in ahead(draw, range(step, training.phases[-1].until)):
        if time.monotonic() >= deadline:
            break
        rate = scheduled(training.phases, step)[2] * min(1.0, (step - began + 1) / 200)
        for group in (group for optimizer in optimizers for group in optimizer.param_groups):
            group["lr"] = rate
        parts = [part.to(device) for part in drawn]
        with torch.autocast(device, torch.bfloat16):
            slow, fast, told = forward(model, training.guided_layers, *parts)
        model.zero_grad()
        (slow + fast + training.guidance * told).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
        mean.update_parameters(model)
        step += 1
        history.append((slow.item(), fast.item(), told.item()))
        if step % 50 == 0:
            means = dict(zip(("slow", "fast", "guidance"), np.mean(history, 0).round(4).tolist(), strict=True))
            line = {"step": step, **means, "seconds": round((time.monotonic() - started) / len(history), 3)}
            if step % 500 == 0:
                line |= judge(mean.module, corpus, settings, device)
                save(kept, model, mean, optimizers, step)
            print(json.dumps(line), flush=True)
            log.write(json.dumps(line) + "\n")
            log.flush()
            history, started = [], time.monotonic()
    save(kept, model, mean, optimizers, step)


def save(path: Path, model: nn.Module, mean: nn.Module, optimizers: list[torch.optim.Optimizer], step: int) -> None:
    """The state that training goes on from."""
    weights = {"model": model.state_dict(), "mean": mean.state_dict()}
    state.write(path, **weights, optimizers=[each.state_dict() for each in optimizers], step=step)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("settings", type=Path)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="stop after so long, with the state saved")
    arguments = parser.parse_args()
    train(load(arguments.settings), arguments.device, arguments.minutes)
