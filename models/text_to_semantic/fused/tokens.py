"""The Triton kernels at the ends of a frame: from tokens to activations, and from logits to tokens. See `layers`."""

from __future__ import annotations

import triton
import triton.language as tl

from models.text_to_semantic.network.sampling import GOLDEN, MIX_1, MIX_2, STEP

_U64 = 1 << 64
_GOLDEN, _STEP = tl.constexpr(GOLDEN % _U64), tl.constexpr(STEP % _U64)
_MIX_1, _MIX_2 = tl.constexpr(MIX_1 % _U64), tl.constexpr(MIX_2 % _U64)


@triton.jit
def embed(
    frames, first_slot, text, codes, out, squares, semantic_begin, codebook_size, divisor,
    C: tl.constexpr, D: tl.constexpr, PARTS: tl.constexpr, DIVIDE: tl.constexpr, WIDTH: tl.constexpr,
):  # fmt: skip
    """out (R, D) from frames (slots, 1 + C): the embedding of a semantic token and those of its C codes."""
    row = tl.program_id(0)
    dtype = out.dtype.element_ty
    d = tl.arange(0, WIDTH)
    frame = frames + (tl.load(first_slot) + row) * (1 + C)
    spoken = tl.zeros((WIDTH,), tl.float32)
    for codebook in tl.static_range(C):
        code = tl.load(frame + 1 + codebook) + codebook * codebook_size
        spoken += tl.load(codes + code * D + d, d < D, 0.0).to(tl.float32)
    # Not frame[0]: a step may still run after the end, which has no embedding.
    token = tl.load(text + (tl.load(frame + 1) + semantic_begin) * D + d, d < D, 0.0)
    x = (token.to(tl.float32) + spoken.to(dtype).to(tl.float32)).to(dtype)
    if DIVIDE:
        x = (x.to(tl.float32) / divisor).to(dtype)
    _store_row(x, out + row * D, squares + row * PARTS, d, D, PARTS)


@triton.jit(do_not_specialize=["codebook"])
def draw(
    logits, logits_stride, candidates, seeds, steps, active, temperatures, top_ps, penalties, history, first_slot,
    frames, drawn, table, fast, fast_squares, hidden, positions, end, codebook,
    C: tl.constexpr, D: tl.constexpr, PARTS: tl.constexpr, FIRST: tl.constexpr, LAST: tl.constexpr, COPY: tl.constexpr,
    ADVANCE: tl.constexpr, WINDOW: tl.constexpr, BLOCK: tl.constexpr, WIDTH: tl.constexpr,
):  # fmt: skip
    """Draw a code for each row from logits (R, candidates), as `sampling.draw` does, into drawn (R, 1 + C) and, where
    the slot is active, into its frame and history. The code's embedding becomes the fast transformer's next input: fast
    (R, D), or (R, 2, D) after the hidden state for the FIRST codebook: COPY that from hidden (R, D), or it is there
    already. The LAST codebook ends the step.

    Nothing is sorted: the best of all candidates is drawn if the candidates before it in the order of probability leave
    it inside top_p; else it is out, with all that come after it.
    """
    row = tl.program_id(0)
    slot = tl.load(first_slot) + row
    step = tl.load(steps + slot)
    i = tl.arange(0, BLOCK)
    logit = tl.load(logits + row * logits_stride + i, i < candidates, float("-inf")).to(tl.float32)
    if FIRST:  # a text that was accepted is spoken: an utterance may not end before its first frame
        logit = tl.where((i == end) & (step == 0), float("-inf"), logit)
    at = codebook + 1
    window = history + (slot * (1 + C) + (0 if FIRST else at)) * WINDOW
    seen = i < 0
    for back in tl.static_range(WINDOW):
        seen = seen | (i == tl.load(window + back))
    penalty = tl.load(penalties + slot)
    logit = tl.where(seen, tl.where(logit < 0, logit * penalty, logit / penalty), logit)
    p = tl.exp(logit - tl.max(logit, 0))
    limit = tl.load(top_ps + slot) * tl.sum(p, 0)
    score = logit / tl.load(temperatures + slot) - tl.log(_exponential_noise(tl.load(seeds + slot), step, codebook, i))
    score = tl.where(i < candidates, score, float("-inf"))
    # Numbers alone go from one round to the next: Triton cannot carry blocks through a `while`.
    best, its, ahead = _best(score, p, i, candidates)
    while (ahead > 0) & (ahead + its > limit):
        inside = tl.where(_before(p, i, its, best), score, float("-inf"))
        best, its, ahead = _best(inside, p, i, candidates)

    speaks = tl.load(active + slot)
    code = best.to(tl.int64)
    if FIRST:
        _remember(code, 0, drawn, frames, history, row, slot, step, speaks, C, WINDOW)
        code = tl.where(code == end, 0, code)  # <|im_end|> is not a code; its frame is dropped by the caller
    _remember(code, at, drawn, frames, history, row, slot, step, speaks, C, WINDOW)
    if LAST:
        tl.store(steps + slot, step + 1, speaks)
        if ADVANCE:
            tl.store(positions + slot, tl.load(positions + slot) + 1, speaks)
    else:
        d = tl.arange(0, WIDTH)
        to = row
        if FIRST:
            to = 2 * row + 1
            source = hidden + row * D if COPY else fast + 2 * row * D
            x = tl.load(source + d, d < D, 0.0)
            _store_row(x, fast + 2 * row * D, fast_squares + 2 * row * PARTS, d, D, PARTS)
        x = tl.load(table + code * D + d, d < D, 0.0)
        _store_row(x, fast + to * D, fast_squares + to * PARTS, d, D, PARTS)


@triton.jit
def _best(score, p, i, candidates):
    """The candidate that scores best, its p, and the sum of p of the candidates before it in the order of
    probability."""
    best = tl.minimum(tl.argmax(score, 0), candidates - 1)  # among NaNs the best may be beyond them
    its = tl.sum(tl.where(i == best, p, 0.0), 0)
    return best, its, tl.sum(tl.where(_before(p, i, its, best), p, 0.0), 0)


@triton.jit
def _before(p, i, its, best):
    return (p > its) | ((p == its) & (i < best))


@triton.jit
def _store_row(x, out, squares, d, D: tl.constexpr, PARTS: tl.constexpr):
    """Store a row that one program has whole: the first of its parts gets all squares."""
    tl.store(out + d, x, d < D)
    wide = tl.where(d < D, x.to(tl.float32), 0.0)
    part = tl.arange(0, triton.next_power_of_2(PARTS))
    tl.store(squares + part, tl.where(part == 0, tl.sum(wide * wide, 0), 0.0), part < PARTS)


@triton.jit
def _remember(value, at, drawn, frames, history, row, slot, step, speaks, C: tl.constexpr, WINDOW: tl.constexpr):
    tl.store(drawn + row * (1 + C) + at, value)
    tl.store(frames + slot * (1 + C) + at, value, speaks)
    tl.store(history + (slot * (1 + C) + at) * WINDOW + step % WINDOW, value, speaks)


@triton.jit
def _exponential_noise(seed, step, codebook, candidates):
    """As `sampling.exponential_noise`."""
    key = _mix(_mix(seed.to(tl.uint64) + _GOLDEN) + step.to(tl.uint64) * _STEP + codebook.to(tl.uint64))
    bits = _mix(key + candidates.to(tl.uint64) * _GOLDEN)
    uniform = ((bits >> 41).to(tl.int32).to(tl.float32) + 0.5) * 1.1920928955078125e-07  # 2^-23
    return -tl.log(uniform)


@triton.jit
def _mix(x):
    x = (x ^ (x >> 30)) * _MIX_1
    x = (x ^ (x >> 27)) * _MIX_2
    return x ^ (x >> 31)
