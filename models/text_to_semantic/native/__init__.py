"""The text-to-semantic network for CPUs: weights in int8 or int4, a whole frame in one call of `models.native`."""
