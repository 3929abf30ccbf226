"""Machines: what is there (`hardware`), what to run on it (`plan`), and the nodes of a Ray cluster (`nodes`)."""
