"""`python -m models.native` compiles the kernels ahead of their first use."""

from models.native.build import available, library_path

reason = available()
print(f"the native kernels cannot be used: {reason}" if reason else f"the native kernels are at {library_path()}")
