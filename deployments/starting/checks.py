"""Everything about a start that can be known before Ray is there."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cluster.machine import hardware
from cluster.machine.profile import HardwareProfile
from cluster.planning import pools
from cluster.planning.plan import PlanError
from cluster.planning.pools import Pools
from cluster.planning.tiers import TierError
from deployments import settings as settings_file
from deployments.monitoring import csvlog
from deployments.settings import Settings
from deployments.starting.config_file import ConfigFile, StartError
from deployments.synthesis import voices
from models.types import CheckpointError, SettingsError


@dataclass(frozen=True, slots=True)
class Checked:
    """A start that nothing known speaks against. `planned`: for this machine, and `weights` of text-to-semantic; None
    where a cluster's nodes will be asked."""

    settings: Settings
    machine: HardwareProfile
    planned: Pools | None = None
    weights: int = 0


def check(config: ConfigFile, environment: Mapping[str, str] = os.environ) -> Checked:
    """Read the settings and try what they name. Raises StartError with every fault."""
    address = environment.get("RAY_ADDRESS", "")
    local = address in ("", "local")
    faults: list[str] = []

    def tried(function: Callable[[], Any], *kinds: type[Exception]) -> Any:
        try:
            return function()
        except kinds as error:
            faults.append(str(error))
            return None

    settings: Settings | None = tried(lambda: settings_file.read(config.args, environment), SettingsError)
    tried(lambda: settings_file.read_limits(config.limits), SettingsError)
    tried(lambda: check_port(config.host, config.port) if local else check_cluster(address), StartError)
    if settings is not None:
        folder, url = settings.csv_folder, settings.voices_url
        if folder:
            tried(lambda: csvlog.check_folder(folder), SettingsError)
        tried(lambda: voices.check_library(url), SettingsError)
    if settings is None or faults:
        raise StartError(*faults)
    try:
        machine = hardware.detect()
        return _planned(settings, machine) if local else Checked(settings, machine)
    except (CheckpointError, PlanError, TierError) as error:
        raise StartError(str(error)) from None


def _planned(settings: Settings, machine: HardwareProfile) -> Checked:
    # Reading a checkpoint takes torch, whose import takes three seconds: what is wrong elsewhere is told before.
    from deployments import planning
    from models.checkpoint.reader import Checkpoint

    checkpoint = Checkpoint(settings.checkpoint_path)
    checkpoint.verify()
    options = planning.options(settings, checkpoint, planning.models_of(checkpoint))
    planned = pools.plan([machine], options, settings.pool_options)
    return Checked(settings, machine, planned, options.footprints.text_to_semantic_params)


def check_port(host: str, port: int) -> None:
    """Raises StartError where the server could not listen."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.create_server((host, port), family=family):
            pass
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise StartError(f"port {port} is taken: choose another, for example PORT={port % 65535 + 1}") from None
        if error.errno == errno.EACCES:
            raise StartError(f"port {port} is not for this user: choose one above 1023") from None
        raise StartError(f"cannot listen on {host}:{port}: {error.strerror or error}") from None


def check_cluster(address: str, within: float = 5.0) -> None:
    """Raises StartError where nothing answers at RAY_ADDRESS, which Ray would wait for."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if address == "auto" or not port.isdecimal():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), within).close()
    except OSError as error:
        raise StartError(
            f"no Ray cluster answers at {address}, which the variable RAY_ADDRESS names ({error.strerror or error}): "
            "unset it to start one on this machine"
        ) from None
