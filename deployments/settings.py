"""What a person may set: `args` of serve_config.yaml, over which the environment wins. Checked before all else."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator

from cluster.balance import Threshold, Thresholds
from cluster.planning.pools import PoolOptions
from cluster.planning.tiers import DEVICES, Device
from deployments.variables import overlaid
from models.suggest import did_you_mean
from models.types import SettingsError

ROOT = Path(__file__).resolve().parent.parent

_POOL_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")

Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class LimitSettings(_Strict):
    """Limits of one request, and of one client's requests together. They are the Ingress's `user_config`, which Serve
    changes while requests run."""

    body_mb: Annotated[int, Field(ge=1)] = 64
    text_chars: Annotated[int, Field(ge=1)] = 50_000
    references: Annotated[int, Field(ge=1)] = 16
    lead_seconds: Annotated[float, Field(ge=1, allow_inf_nan=False)] = 600.0
    body_seconds: Seconds = 30.0
    wait_seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.2
    key_streams: Annotated[int, Field(ge=1)] | None = None
    key_requests_per_minute: Annotated[int, Field(ge=1)] | None = None

    @property
    def body_bytes(self) -> int:
        """`body_mb` in bytes; 1 MB is 2**20."""
        return self.body_mb * 2**20


DEFAULT_LIMITS = LimitSettings()


class AutoscalingSettings(_Strict):
    """How fast replicas come and go, in seconds. Bounds are each stage's min_replicas and max_replicas."""

    upscale_delay_s: Seconds = 5.0
    downscale_delay_s: Seconds = 300.0
    look_back_s: Annotated[float, Field(gt=10, allow_inf_nan=False)] = 15.0  # Ray samples every 10 s at most


class MonitoringSettings(_Strict):
    """`csv` is the folder for CSV logs, or null for none."""

    csv: str | None = None


class PoolSettings(_Strict):
    """Replicas of text-to-semantic and the decoder on one device, which the pool's name tells where it is one."""

    device: Device | None = None
    stages: dict[str, dict[str, Any]] = {}
    balance: Thresholds | None = None


class Settings(_Strict):
    """`stages` overrides fields of the plan (`python -m cluster plan` shows them), stage by stage, in the first pool.
    Without `pools` the plan decides which there are; `balance` holds for those that bring no thresholds. The plan waits
    for `nodes` machines with CPUs. Web pages of `origins` may ask, as those on the browser's own machine."""

    checkpoint: str = "checkpoints/starter"
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    tier: str = "auto"
    voices: str = "voices"
    nodes: Annotated[int, Field(ge=1)] = 1
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    stages: dict[str, dict[str, Any]] = {}
    pools: dict[str, PoolSettings] = {}
    balance: Thresholds = Thresholds()
    autoscaling: AutoscalingSettings = AutoscalingSettings()
    monitoring: MonitoringSettings = MonitoringSettings()
    ingress_replicas: Annotated[int, Field(ge=1)] = 1
    origins: list[Annotated[str, Field(pattern=r"^(\*|null|[a-z][a-z0-9+.-]*://[^/\s]+)$")]] = []
    api_keys: tuple[SecretStr, ...] = ()

    @model_validator(mode="after")
    def _pools_have_devices(self) -> Settings:
        for name, pool in self.pools.items():
            device = pool.device or name
            if not _POOL_NAME.fullmatch(name):
                raise ValueError(f"pools.{name}: a pool's name is of small letters, digits and dashes")
            if name == "auto" or device not in DEVICES:
                raise ValueError(f"pools.{name}: give it a device: {', '.join(DEVICES)}")
            if name in DEVICES and name != device:
                raise ValueError(f"pools.{name}: its device is {device}: name it otherwise")
            if self.device not in ("auto", device):
                raise ValueError(
                    f"pools.{name}: its device is {device}, but device {self.device} is a lock: remove one"
                )
        return self

    @property
    def pool_options(self) -> dict[str, PoolOptions]:
        """What the planner is told of each pool, the preferred one first."""
        return {name: PoolOptions(pool.device or name, pool.stages) for name, pool in self.pools.items()}

    def thresholds(self, pool: str) -> Thresholds:
        """Those of a pool, or of all where it brings none."""
        own = self.pools.get(pool)
        return own.balance if own and own.balance else self.balance

    @property
    def checkpoint_path(self) -> Path:
        """The checkpoint's directory; a relative one is taken from the project's folder."""
        return ROOT / Path(self.checkpoint).expanduser()

    @property
    def voices_url(self) -> str:
        """An fsspec address; a plain path is taken from the project's folder."""
        return self.voices if "://" in self.voices else str(ROOT / Path(self.voices).expanduser())

    @property
    def csv_folder(self) -> Path | None:
        """The folder for CSV logs, taken from the project's folder; None where none is asked for."""
        return ROOT / Path(self.monitoring.csv).expanduser() if self.monitoring.csv else None


def read(args: Mapping[str, Any], environment: Mapping[str, str] = os.environ) -> Settings:
    """Settings from serve_config.yaml's args, the variables that win over them (deployments/variables.py), and
    SHOAL_API_KEYS, separated by commas.

    Raises SettingsError that names every fault and the nearest valid key.
    """
    if "limits" in args:
        raise SettingsError("limits do not belong in args: set them as the Ingress's user_config, under deployments")
    if "api_keys" in args:
        raise SettingsError("API keys do not belong in a file: set the environment variable SHOAL_API_KEYS instead")
    given = overlaid(args, environment)
    listed = environment.get("SHOAL_API_KEYS", "")
    given["api_keys"] = tuple(SecretStr(key) for key in map(str.strip, listed.split(",")) if key)
    if listed and not given["api_keys"]:
        raise SettingsError("SHOAL_API_KEYS is set, but holds no key: give keys separated by commas, or unset it")
    try:
        return Settings.model_validate(given)
    except ValidationError as error:
        raise SettingsError("settings: " + "; ".join(_fault(fault, Settings) for fault in error.errors())) from None


def read_limits(user_config: Any) -> LimitSettings:
    """The limits from the Ingress's `user_config`. Raises SettingsError as `read` does."""
    try:
        return LimitSettings.model_validate(user_config)
    except ValidationError as error:
        raise SettingsError("limits: " + "; ".join(_fault(fault, LimitSettings) for fault in error.errors())) from None


_SECTIONS: dict[str, type[BaseModel]] = {
    "autoscaling": AutoscalingSettings,
    "monitoring": MonitoringSettings,
    "pools": PoolSettings,
    "balance": Thresholds,
    **dict.fromkeys(Thresholds.model_fields, Threshold),
}


def _fault(fault: Any, model: type[BaseModel]) -> str:
    path = [str(part) for part in fault["loc"]]
    where = ".".join(path)
    if fault["type"] == "value_error":  # a sentence of our own
        return f"{where}{': ' if where else ''}{fault['ctx']['error']}"
    if fault["type"] != "extra_forbidden":
        return f"{where}: {fault['msg']}, got {fault['input']!r}"
    sections = path[:1] + path[2:-1] if path[0] == "pools" else path[:-1]  # a pool's name names no section
    model = next((_SECTIONS[part] for part in reversed(sections) if part in _SECTIONS), model)
    valid = [name for name in model.model_fields if name != "api_keys"]
    return f"unknown key {where!r}{did_you_mean(path[-1], valid)}"
