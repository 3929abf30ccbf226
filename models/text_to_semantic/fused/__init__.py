"""A frame on an NVIDIA GPU: a few Triton kernels in place of a thousand small ones, replayed as one CUDA graph."""
