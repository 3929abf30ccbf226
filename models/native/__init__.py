"""The networks' kernels for CPUs in C++, and their compilation on the machine they run on (see `build`)."""
