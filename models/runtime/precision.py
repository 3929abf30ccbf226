"""The precisions of a plan, and the dtype of a network's activations in each."""

import torch

DTYPES = {
    "fp32": torch.float32,
    "bf16x3": torch.float32,
    "int16": torch.float32,
    "bf16": torch.bfloat16,
    "fp16": torch.float16,
}
# The fast and the exact precision of products in the codec's native kernels, on matrix tiles and with AVX2 alone.
BY_AMX, BY_AVX2 = ("bf16", "bf16x3"), ("int16", "fp32")
KERNELS_ONLY = ("bf16x3", "int16")  # torch has no products in these
