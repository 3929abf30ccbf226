"""Ray's errors, as the ingress meets them, become the domain's."""

from __future__ import annotations

import pytest
import ray
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError, RequestCancelledError

from deployments.stages.handles import ACKNOWLEDGE_EVERY, plain
from deployments.stages.text_to_semantic import LEAD_SECONDS
from models.types import Busy, Gone, NotReady


@ray.remote(num_cpus=0)
class Stage:
    def ask(self, other: Stage) -> None:
        ray.get(other.ask.remote(None))

    def fail(self, error: Exception) -> None:
        raise error


def test_a_stage_whose_own_stage_died_is_not_ready(ray_address: str) -> None:
    near, far = Stage.remote(), Stage.remote()
    ray.kill(far)
    with pytest.raises(ray.exceptions.RayTaskError) as raised:
        ray.get(near.ask.remote(far), timeout=30)
    assert isinstance(plain(raised.value), NotReady)
    ray.kill(near)
    with pytest.raises(ray.exceptions.RayActorError) as lost:
        ray.get(near.fail.remote(Busy("x")), timeout=30)
    assert isinstance(plain(lost.value), NotReady)


def test_a_stages_own_error_is_unwrapped(ray_address: str) -> None:
    stage = Stage.remote()
    for error in (Busy("all slots are taken", 3.0), ValueError("nobody foresaw this")):
        with pytest.raises(ray.exceptions.RayTaskError) as raised:
            ray.get(stage.fail.remote(error), timeout=30)
        found = plain(raised.value)
        assert type(found) is type(error) and str(found) == str(error)
    ray.kill(stage)


def test_serves_refusals() -> None:
    assert isinstance(plain(BackPressureError(num_queued_requests=1, max_queued_requests=1)), Busy)
    assert isinstance(plain(DeploymentUnavailableError("VQDecoder")), NotReady)
    assert isinstance(plain(RequestCancelledError("1")), Gone)


def test_a_client_who_reads_acknowledges_long_before_its_stream_pauses() -> None:
    assert 2 * ACKNOWLEDGE_EVERY < LEAD_SECONDS
