"""The text-to-semantic network for CPUs in C++: int8 weights and activations, a whole frame in one call.

`kernels.cpp` is compiled on the machine it runs on (see `build`), and `network` gives it the interface of
`models.text_to_semantic.network.Network`.
"""
