"""The text-to-semantic network for CPUs: int8 weights and activations, a whole frame in one call of `models.native`.

`network` gives its kernels the interface of `models.text_to_semantic.network.Network`.
"""
