"""The language model's losses: upstream's DualARTransformer, its own modules and weights, over whole sequences.

Beside the losses of the next frame, some heads are told where to look: at the character being spoken and at those after
it. The teachers say when each character sounds, so reading the text need not be discovered, which is most of what takes
a small model long. After training, nothing of it is left but the weights."""

import math

import torch
import torch.nn.functional as F
from fish_speech.models.text2semantic.llama import Attention, DualARTransformer, apply_rotary_emb
from torch import Tensor

GUIDED = (
    (-0.5, 0.5),
    (0.5, 2.5),
    (2.5, 5.5),
)  # characters after the one spoken that head 0, 1, 2 of a guided layer may see


def attend(attention: Attention, x: Tensor, rope: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Causal self-attention of `[batch, length, dim]`, and its queries and keys `[batch, heads, length, head]`."""
    batch, length, _ = x.shape
    sizes = [
        heads * attention.head_dim for heads in (attention.n_head, attention.n_local_heads, attention.n_local_heads)
    ]
    q, k, v = (part.view(batch, length, -1, attention.head_dim) for part in attention.wqkv(x).split(sizes, -1))
    if attention.attention_qk_norm:
        q, k = attention.q_norm(q), attention.k_norm(k)
    q, k, v = (part.transpose(1, 2) for part in (apply_rotary_emb(q, rope), apply_rotary_emb(k, rope), v))
    k, v = (part.repeat_interleave(attention.n_head // attention.n_local_heads, 1) for part in (k, v))
    y = F.scaled_dot_product_attention(q.to(v.dtype), k.to(v.dtype), v, is_causal=True)
    return attention.wo(y.transpose(1, 2).reshape(batch, length, -1)), q, k


def guidance(q: Tensor, k: Tensor, rows: Tensor, spoken: Tensor) -> Tensor:
    """Minus the log of the attention that guided heads give to the characters they should see, for queries at `rows`
    `[batch, queries]`; `spoken` as in `Batch`."""
    length = k.shape[2]
    index = rows[:, None, :, None].expand(-1, len(GUIDED), -1, q.shape[-1])
    scores = torch.gather(q[:, : len(GUIDED)], 2, index).float() @ k[:, : len(GUIDED)].float().transpose(2, 3)
    places = torch.arange(length, device=q.device)
    future = places > rows[:, None, :, None]
    logs = (scores.float() / math.sqrt(q.shape[-1])).masked_fill(future, -1e4).log_softmax(-1)
    ahead = places - torch.gather(spoken, 1, rows)[:, None, :, None]
    near = torch.stack([(ahead[:, 0] > low) & (ahead[:, 0] < high) for low, high in GUIDED], 1)
    found = logs.masked_fill(~near, -1e4).logsumexp(-1)
    known = (torch.gather(spoken, 1, rows) >= 0)[:, None].expand_as(found)
    return -(found * known).sum() / known.sum().clamp(min=1)


def embed(model: DualARTransformer, values: Tensor, frames: Tensor) -> Tensor:
    """`[batch, 1 + codebooks, length]` to `[batch, length, dim]`; `frames` marks the positions that hold codes."""
    size = model.config.codebook_size
    offsets = torch.arange(model.config.num_codebooks, device=values.device)[None, :, None] * size
    codes: Tensor = model.codebook_embeddings(values[:, 1:] + offsets).sum(1) * frames[..., None]
    tokens: Tensor = model.embeddings(values[:, 0])
    return tokens + codes


def losses(
    model: DualARTransformer, guided: tuple[int, ...], values: Tensor, noisy: Tensor, spoken: Tensor, wanted: Tensor,
    rows: Tensor, frames: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """Mean cross-entropy in nats of the next token and of the other codebooks, and the guidance.

    `noisy` are `values` as the model reads them, with some frames replaced; `rows` `[batch, queries]` the positions
    whose attention is guided; `frames` `[n, 2]` the sequences and positions whose next frame the fast transformer
    learns."""
    first = model.tokenizer.semantic_begin_id
    length = values.shape[2] - 1
    holds = (noisy[:, 0, :-1] >= first) & (noisy[:, 0, :-1] < first + model.config.codebook_size)
    x = embed(model, noisy[:, :, :-1], holds)
    told = x.new_zeros(())
    rope = model.freqs_cis[:length]
    for number, layer in enumerate(model.layers):
        y, q, k = attend(layer.attention, layer.attention_norm(x), rope)
        if number in guided:
            told = told + guidance(q, k, rows, spoken) / len(guided)
        x = x + y
        x = x + layer.feed_forward(layer.ffn_norm(x))
    logits = F.linear(model.norm(x), model.embeddings.weight)
    labels = torch.where(wanted[:, :-1], values[:, 0, 1:], -100)
    slow = F.cross_entropy(logits.flatten(0, 1).float(), labels.flatten())
    hidden = model.fast_project_in(x[frames[:, 0], frames[:, 1]])
    codes = values[frames[:, 0], 1:, frames[:, 1] + 1]
    y = torch.cat([hidden[:, None], model.fast_embeddings(codes[:, :-1])], 1)
    for layer in model.fast_layers:
        y = y + attend(layer.attention, layer.attention_norm(y), model.fast_freqs_cis)[0]
        y = y + layer.feed_forward(layer.ffn_norm(y))
    guesses = model.fast_output(model.fast_norm(y[:, 1:]))
    return slow, F.cross_entropy(guesses.flatten(0, 1).float(), codes[:, 1:].flatten()), told
