"""What the networks need of torch, the process and the device."""
