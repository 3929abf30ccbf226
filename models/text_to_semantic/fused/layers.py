"""The Triton kernels of layers. They round where `TorchNetwork`'s operations round, so that frames are the same.

Shapes: R rows, of which row r is slot `first_slot` + r; D model dim, H query heads, G key/value heads, E head dim. Rows
of activations come with `squares` (R, parts) fp32 for the next norm: sums of their squares, one per tile of the kernel
that wrote them. Products of at most FEW rows compute the sums themselves.
"""

from __future__ import annotations

import triton
import triton.language as tl

FEW = tl.constexpr(4)  # rows


@triton.jit(do_not_specialize=["rows"])
def linear(
    x, x_stride, norm, squares, squares_stride, weight, scale, bias, out, out_stride, out_squares, out_squares_stride,
    rows, outputs, eps,
    K: tl.constexpr, PARTS: tl.constexpr, NORM: tl.constexpr, GATE: tl.constexpr, RESIDUAL: tl.constexpr,
    SQUARES: tl.constexpr, SCALE: tl.constexpr, BIAS: tl.constexpr,
    BLOCK_R: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr,
):  # fmt: skip
    """out (R, outputs) = x (R, K) by weight (outputs, K), transposed.

    NORM: x goes through rms_norm first. GATE: weight has 2 x outputs rows, and out is silu(first half) x second half.
    RESIDUAL: added to what out holds. SQUARES: out_squares (R, tiles of outputs) is written. SCALE: weight is int8.
    """
    n = tl.program_id(0) * BLOCK_N + tl.arange(0, BLOCK_N)
    r = tl.program_id(1) * BLOCK_R + tl.arange(0, BLOCK_R)
    dtype = out.dtype.element_ty
    live_n, live_r = n < outputs, r < rows
    k = tl.arange(0, BLOCK_K)
    own, gated = weight + n[:, None] * K + k[None, :], weight + (n + outputs)[:, None] * K + k[None, :]
    if BLOCK_R <= FEW:
        # A few rows are no matrix product: sums of products over all K at once, without a detour through shared memory.
        live = live_n[:, None] & (k < K)[None, :]
        w = tl.load(own, live, 0.0)
        if GATE:
            w_2 = tl.load(gated, live, 0.0)
        a = tl.load(x + r[:, None] * x_stride + k[None, :], live_r[:, None] & (k < K)[None, :], 0.0)
        if NORM:
            wide = a.to(tl.float32)
            wide *= tl.rsqrt(tl.sum(wide * wide, 1) / K + eps)[:, None]
            a = wide.to(dtype) * tl.load(norm + k, k < K, 0.0)[None, :]
        a = a.to(tl.float32)[None, :, :]
        total = tl.sum(w.to(tl.float32)[:, None, :] * a, 2)
        if GATE:
            total_2 = tl.sum(w_2.to(tl.float32)[:, None, :] * a, 2)
    else:
        if NORM:
            WIDTH: tl.constexpr = triton.next_power_of_2(PARTS)
            part = tl.arange(0, WIDTH)
            cells = squares + r[:, None] * squares_stride + part[None, :]
            by_part = tl.load(cells, live_r[:, None] & (part < PARTS)[None, :], 0.0)
            inverse = tl.rsqrt(tl.sum(by_part, 1) / K + eps)
        EVEN: tl.constexpr = K % BLOCK_K == 0
        total = tl.zeros((BLOCK_N, BLOCK_R), tl.float32)
        total_2 = tl.zeros((BLOCK_N, BLOCK_R), tl.float32)
        for at in range(0, K, BLOCK_K):
            live = live_n[:, None] if EVEN else live_n[:, None] & (at + k < K)[None, :]
            inside = live_r[None, :] if EVEN else live_r[None, :] & (at + k < K)[:, None]
            a = tl.load(x + r[None, :] * x_stride + (at + k)[:, None], inside, 0.0)
            if NORM:
                by = tl.load(norm + at + k, at + k < K, 0.0)
                a = (a.to(tl.float32) * inverse[None, :]).to(dtype) * by[:, None]
            total = tl.dot(tl.load(own + at, live, 0.0).to(dtype), a, total, input_precision="ieee")
            if GATE:
                total_2 = tl.dot(tl.load(gated + at, live, 0.0).to(dtype), a, total_2, input_precision="ieee")
    if SCALE:
        total *= tl.load(scale + n, live_n, 0.0).to(tl.float32)[:, None]
        if GATE:
            total_2 *= tl.load(scale + n + outputs, live_n, 0.0).to(tl.float32)[:, None]
    if BIAS:
        total += tl.load(bias + n, live_n, 0.0).to(tl.float32)[:, None]
    y = total.to(dtype)
    if GATE:
        gate = y.to(tl.float32)
        y = (gate * tl.sigmoid(gate)).to(dtype) * total_2.to(dtype)
    to, live = out + r[None, :] * out_stride + n[:, None], live_n[:, None] & live_r[None, :]
    if RESIDUAL:
        y = (tl.load(to, live, 0.0).to(tl.float32) + y.to(tl.float32)).to(dtype)
    tl.store(to, y, live)
    if SQUARES:
        wide = tl.where(live, y.to(tl.float32), 0.0)
        tl.store(out_squares + r * out_squares_stride + tl.program_id(0), tl.sum(wide * wide, 0), live_r)


@triton.jit
def attend(
    qkv, out, keys, values, positions, position_stride, first_slot, rope, q_norm, k_norm, parts, weights, arrived,
    room, eps, scale,
    H: tl.constexpr, G: tl.constexpr, E: tl.constexpr, NEW: tl.constexpr, QK_NORM: tl.constexpr,
    SPLITS: tl.constexpr, BLOCK: tl.constexpr, GROUP: tl.constexpr, WIDTH: tl.constexpr,
):  # fmt: skip
    """out (R x NEW, H x E): each of NEW new positions of a row's slot attends over itself and all before. Their keys
    and values are stored in keys, values (slots, G, room, E). A slot's first new position: positions[slot x stride].

    A program reads one head of keys, in one of SPLITS parts of the cached positions. The last program to arrive joins
    the parts, from parts (R, G, SPLITS, GROUP, WIDTH) and weights (R, G, SPLITS, 2, GROUP) fp32; arrived (R, G) holds
    zeros. GROUP and WIDTH are powers of two, at least H / G and E.
    """
    row, g, split = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    dtype = out.dtype.element_ty
    slot = tl.load(first_slot) + row
    first = tl.load(positions + slot * position_stride).to(tl.int32)
    e, head = tl.arange(0, WIDTH), tl.arange(0, GROUP)
    cache = (slot * G + g) * room * E
    span = tl.cdiv(tl.cdiv(first, BLOCK), SPLITS) * BLOCK
    begin, end = split * span, min(first, (split + 1) * span)
    queries = (g * (H // G) + head) * E
    live_q = (head < H // G)[:, None] & (e < E)[None, :]
    for t in tl.static_range(NEW):
        source = qkv + (row * NEW + t) * (H + 2 * G) * E
        q = tl.load(source + queries[:, None] + e[None, :], live_q, 0.0)
        q = _normed_and_turned(q, q_norm, rope + (first + t) * E, eps, QK_NORM, E, GROUP, WIDTH)
        most = tl.full((GROUP,), float("-inf"), tl.float32)
        total = tl.zeros((GROUP,), tl.float32)
        y = tl.zeros((GROUP, WIDTH), tl.float32)
        if split == 0:
            for u in tl.static_range(t + 1):
                fresh = qkv + (row * NEW + u) * (H + 2 * G) * E + (H + g) * E + e
                k = tl.load(fresh, e < E, 0.0)[None, :]
                k = _normed_and_turned(k, k_norm, rope + (first + u) * E, eps, QK_NORM, E, 1, WIDTH)
                v = tl.load(fresh + G * E, e < E, 0.0)[None, :]
                if u == t:
                    place = cache + (first + t) * E + e[None, :]
                    tl.store(keys + place, k, (e < E)[None, :])
                    tl.store(values + place, v, (e < E)[None, :])
                score = tl.sum(q.to(tl.float32) * k.to(tl.float32), 1) * scale
                more = tl.maximum(most, score)
                kept, added = tl.exp(most - more), tl.exp(score - more)
                y = y * kept[:, None] + added[:, None] * v.to(tl.float32)
                total, most = total * kept + added, more
        for start in range(begin, end, BLOCK):
            at = start + tl.arange(0, BLOCK)
            k = tl.load(keys + cache + at[None, :] * E + e[:, None], (at < end)[None, :] & (e < E)[:, None], 0.0)
            v = tl.load(values + cache + at[:, None] * E + e[None, :], (at < end)[:, None] & (e < E)[None, :], 0.0)
            score = tl.dot(q, k, input_precision="ieee") * scale
            score = tl.where((at < end)[None, :], score, float("-inf"))
            more = tl.maximum(most, tl.max(score, 1))
            kept, added = tl.exp(most - more), tl.exp(score - more[:, None])
            y = tl.dot(added.to(dtype), v, y * kept[:, None], input_precision="ieee")
            total, most = total * kept + tl.sum(added, 1), more
        goal = out + ((row * NEW + t) * H * E + queries)[:, None] + e[None, :]
        if SPLITS == 1:
            tl.store(goal, (y / total[:, None]).to(dtype), live_q)
        else:
            tl.static_assert(NEW == 1)
            base = (row * G + g) * SPLITS
            cell, both = head[:, None] * WIDTH + e[None, :], weights + base * 2 * GROUP + head
            tl.store(parts + (base + split) * GROUP * WIDTH + cell, y)
            tl.store(both + split * 2 * GROUP, most)
            tl.store(both + split * 2 * GROUP + GROUP, total)
            tl.debug_barrier()
            if tl.atomic_add(arrived + row * G + g, 1) == SPLITS - 1:
                tl.debug_barrier()
                for other in tl.static_range(SPLITS):
                    # Not from the L1 cache, which may hold values of the layer before.
                    its_most = tl.load(both + other * 2 * GROUP, cache_modifier=".cg")
                    its_total = tl.load(both + other * 2 * GROUP + GROUP, cache_modifier=".cg")
                    its = tl.load(parts + (base + other) * GROUP * WIDTH + cell, cache_modifier=".cg")
                    if other == 0:  # this part has the new position, so its maximum is finite
                        most, total, y = its_most, its_total, its
                    else:
                        more = tl.maximum(most, its_most)
                        kept, added = tl.exp(most - more), tl.exp(its_most - more)
                        y = y * kept[:, None] + its * added[:, None]
                        total, most = total * kept + its_total * added, more
                tl.store(goal, (y / total[:, None]).to(dtype), live_q)
                tl.store(arrived + row * G + g, 0)


@triton.jit
def _normed_and_turned(x, norm, rope, eps, NORM: tl.constexpr, E: tl.constexpr, N: tl.constexpr, WIDTH: tl.constexpr):
    """Heads x (N, WIDTH) through rms_norm and, by pairs, through the rotation rope (E / 2, 2)."""
    dtype = x.dtype
    if NORM:
        e = tl.arange(0, WIDTH)
        wide = x.to(tl.float32)
        inverse = tl.rsqrt(tl.sum(wide * wide, 1) / E + eps)
        x = (wide * inverse[:, None] * tl.load(norm + e, e < E, 0.0).to(tl.float32)[None, :]).to(dtype)
    half = tl.arange(0, WIDTH // 2)
    cos = tl.load(rope + 2 * half, half < E // 2, 0.0)[None, :]
    sin = tl.load(rope + 2 * half + 1, half < E // 2, 0.0)[None, :]
    even, odd = tl.split(tl.reshape(x.to(tl.float32), (N, WIDTH // 2, 2)))
    return tl.reshape(tl.join(even * cos - odd * sin, odd * cos + even * sin), (N, WIDTH)).to(dtype)
