"""The configuration file as Ray Serve takes it, read before Ray is there."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from models.suggest import did_you_mean

EVERY_ADDRESS = "0.0.0.0"
THIS_MACHINE = "127.0.0.1"
# ray.serve.schema.ServeDeploySchema's fields; importing it takes two seconds, and Ray drops an unknown key silently.
KEYS = (
    "applications",
    "controller_options",
    "grpc_options",
    "http_options",
    "logging_config",
    "proxy_location",
    "target_capacity",
)


class StartError(Exception):
    """What keeps the server from starting: one sentence for each fault."""

    def __init__(self, *faults: str) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """`document`: the whole file with the address to listen on; `args` and `limits`: the application's, as written."""

    document: dict[str, Any]
    args: dict[str, Any]
    limits: Any
    name: str
    host: str
    port: int


def read(path: Path, port: str | None, host: str | None, environment: Mapping[str, str] = os.environ) -> ConfigFile:
    """The file, with `port` and `host` instead of its own. Without `host`, a server that asks for no key listens on
    this machine alone. Raises StartError."""
    document = _parsed(path)
    unknown = [key for key in document if key not in KEYS]
    if unknown:
        raise StartError(*(f"{path}: unknown key {key!r}{did_you_mean(str(key), KEYS)}" for key in unknown))
    applications = document.get("applications")
    if not isinstance(applications, list) or len(applications) != 1 or not isinstance(applications[0], dict):
        raise StartError(f"{path}: applications must list one application: that of deployments.app:build")
    (application,) = applications
    args, http = application.get("args") or {}, document.get("http_options") or {}
    if not isinstance(args, dict) or not isinstance(http, dict):
        raise StartError(f"{path}: args and http_options are mappings of key to value")
    keys = environment.get("SHOAL_API_KEYS", "").strip()
    listens = host or (http.get("host", EVERY_ADDRESS) if keys else THIS_MACHINE)
    http = {**http, "host": listens, "port": _port(port if port is not None else http.get("port", 8000))}
    return ConfigFile(
        document={**document, "http_options": http},
        args=args,
        limits=_limits(application),
        name=application.get("name", "default"),
        host=listens,
        port=http["port"],
    )


def _parsed(path: Path) -> dict[str, Any]:
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise StartError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise StartError(f"{path} is not UTF-8 text") from None
    except yaml.MarkedYAMLError as error:
        mark, problem = error.problem_mark, error.problem or "it is no YAML"
        where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        tab = ": indent with spaces, not with tabs" if "'\\t'" in problem else ""
        raise StartError(f"{path}{where}: {problem}{tab}") from None
    except yaml.YAMLError as error:
        raise StartError(f"{path}: {' '.join(str(error).split())}") from None
    if not isinstance(document, dict):
        raise StartError(f"{path} must hold a mapping, as the serve_config.yaml of this project does")
    return document


def _port(given: Any) -> int:
    if isinstance(given, bool) or not str(given).isdecimal() or not 1 <= int(given) <= 65535:
        raise StartError(f"{given!r} is no port number: choose one from 1 to 65535, for example 8000")
    return int(given)


def _limits(application: Mapping[str, Any]) -> Any:
    """The Ingress's `user_config`."""
    deployments = application.get("deployments") or []
    found = [each for each in deployments if isinstance(each, dict) and each.get("name") == "Ingress"]
    return found[0].get("user_config", {}) if found else {}
