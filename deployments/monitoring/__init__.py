"""Measurements per request and per stage: statistics, metrics, CSV logs."""
