"""The precisions of a plan, and the dtype of a network's activations in each."""

import torch

# In bf16x3 and int16 only products of the codec's native kernels are (models/codec/native/kernels.py).
DTYPES = {
    "fp32": torch.float32,
    "bf16x3": torch.float32,
    "int16": torch.float32,
    "bf16": torch.bfloat16,
    "fp16": torch.float16,
}
