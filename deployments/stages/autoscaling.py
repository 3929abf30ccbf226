"""How many replicas of text-to-semantic: as many as keep its slots about two thirds full."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ray.serve.config import AutoscalingContext

TARGET_OCCUPANCY = 0.7  # of the slots: full batches are cheapest, but a burst must find room


def replicas_for(slots_wanted: Iterable[float], target: float) -> float:
    """Replicas needed for what is taken and waited for on each; `target` is the slots to fill on one."""
    return sum(slots_wanted) / target


def follow_slots(context: AutoscalingContext) -> tuple[float, dict[str, Any]]:
    """Serve's policy hook; bounds, delays and the start from zero are applied around it."""
    reported = (context.aggregated_metrics or {}).get("slots_wanted", {})
    if not reported or context.config is None:  # a replica that has just started has not reported yet
        return context.target_num_replicas, {}
    return replicas_for(reported.values(), context.config.get_target_ongoing_requests()), {}
