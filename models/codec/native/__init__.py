"""The codec's layers by the native kernels for CPUs."""
