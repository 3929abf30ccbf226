"""Settings of torch, memory of the process and sizes of work that all networks share."""
