"""What serve_config.yaml may say of pools and their thresholds."""

from __future__ import annotations

import pytest

from deployments.settings import read
from models.types import SettingsError

HALF = {"leave_above": 50, "return_below": 40}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"pools": {"fast": {}}}, "pools.fast: give it a device: cpu, cuda, mps"),
        ({"pools": {"cpu": {"device": "cuda"}}}, "pools.cpu: its device is cuda: name it otherwise"),
        ({"pools": {"a b": {"device": "cpu"}}}, "pools.a b: a pool's name is of small letters, digits and dashes"),
        ({"pools": {"auto": {"device": "cpu"}}}, "pools.auto: give it"),
        ({"pools": {"cpu": {"stage": {}}}}, "unknown key 'pools.cpu.stage'; did you mean 'stages'"),
        ({"pools": {"cpu": {}, "cuda": {}}, "device": "cpu"}, "pools.cuda: its device is cuda, but device cpu is a"),
        ({"balance": {"gpu": HALF}}, "unknown key 'balance.gpu'; did you mean 'cpu'"),
        ({"balance": {"ram": {"leave_above": 40, "return_below": 50}}}, "return_below 50 must be under leave_above 40"),
        ({"balance": {"ram": HALF | {"leave_above": 120}}}, "balance.ram.leave_above: .*100, got 120"),
        ({"balance": {"ram": {"leave_above": 40}}}, "balance.ram.return_below: Field required"),
        ({"pools": {"cpu": {"balance": {"cpu": HALF | {"leave": 1}}}}}, "did you mean 'leave_above'"),
    ],
)
def test_impossible_settings_are_refused(given: dict, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        read(given, {})


def test_a_pools_own_thresholds_come_before_the_applications() -> None:
    settings = read({"pools": {"cuda": {}, "cpu": {"balance": {"cpu": HALF}}}, "balance": {"gpu_busy": HALF}}, {})
    assert settings.thresholds("cuda").gpu_busy.leave_above == 50
    assert settings.thresholds("cpu").cpu.leave_above == 50
    assert settings.thresholds("cpu").gpu_busy.leave_above == 85
