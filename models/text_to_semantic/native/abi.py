"""The kernels' structures and functions for ctypes, as in linear.h, attention.h and text_to_semantic.cpp."""

from __future__ import annotations

import ctypes
from ctypes import POINTER, Structure, c_double, c_float, c_int64, c_void_p

from models.native.build import Signatures, declare, load


class Linear(Structure):
    """`Linear` of linear.h."""

    _fields_ = [("weight", c_void_p), ("bias", c_void_p), ("inputs", c_int64), ("outputs", c_int64), ("bits", c_int64)]


class Layer(Structure):
    """`Layer` of attention.h."""

    _fields_ = [(name, c_void_p) for name in ("attention_norm", "ffn_norm", "q_norm", "k_norm")] + [
        (name, Linear) for name in ("qkv", "wo", "w13", "w2")
    ]


class Stack(Structure):
    """`Stack` of attention.h."""

    _fields_ = [
        *((name, c_int64) for name in ("layers", "heads", "groups", "dim", "head_dim", "hidden")),
        ("eps", c_double),
        ("layer", POINTER(Layer)),
        ("rope", c_void_p),
        ("cache", c_void_p),
        ("slot_size", c_int64),
    ]


class Table(Structure):
    """`Table` of text_to_semantic.cpp."""

    _fields_ = [("rows", c_void_p), ("count", c_int64), ("columns", c_int64), ("is_bf16", c_int64)]


class Model(Structure):
    """`Model` of text_to_semantic.cpp."""

    _fields_ = [
        *((name, Stack) for name in ("slow", "fast")),
        *((name, Linear) for name in ("head", "residual_head", "project")),
        *((name, c_void_p) for name in ("norm", "fast_norm")),
        *((name, Table) for name in ("text", "codebooks", "fast_codes")),
        *((name, c_int64) for name in ("slots", "positions", "num_codebooks", "codebook_size", "residual_size")),
        *((name, c_int64) for name in ("semantic_begin", "scale_embeddings", "normed_input")),
    ]


def functions(flags: tuple[str, ...] = ()) -> ctypes.CDLL:
    """The library with its functions declared. Raises build.CannotBuild."""
    library = load(flags)
    signatures: Signatures = {
        "create": (c_void_p, [POINTER(Model), c_int64]),
        "destroy": (None, [c_void_p]),
        "reset": (None, [c_void_p, c_int64, c_float, c_float, c_float, c_int64]),
        "place": (None, [c_void_p, c_int64, c_int64, c_void_p, c_int64]),
        "prefill": (None, [c_void_p, c_int64, c_void_p, c_int64, c_int64, c_void_p]),
        "first_frame": (None, [c_void_p, c_int64, c_void_p, c_void_p, c_void_p]),
        "decode": (None, [c_void_p, c_void_p, c_int64, c_void_p, c_void_p]),
        "draw": (c_int64, [c_void_p, c_int64, c_float, c_float, c_float, c_int64, c_int64, c_int64, c_void_p]),
    }
    return declare(library, signatures)
