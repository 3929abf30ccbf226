"""The text-to-semantic network for CPUs: weights in int8 or int4, a whole frame in one call of `models.native`.

`network` gives its kernels the interface of `models.text_to_semantic.network.network.Network`.
"""
