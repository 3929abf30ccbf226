"""What to run on the machines: tiers, footprints and the plan. Pure."""
