"""The precisions of a plan, and the dtype of a network's activations in each."""

import torch

# bf16x3 and int16 are the precisions of products in the codec's native kernels (models/codec/native/kernels.py).
DTYPES = {
    "fp32": torch.float32,
    "bf16x3": torch.float32,
    "int16": torch.float32,
    "bf16": torch.bfloat16,
    "fp16": torch.float16,
}
