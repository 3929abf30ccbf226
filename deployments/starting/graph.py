"""Ray and Serve around one configuration file, without their chatter on the terminal."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ray
from ray import serve
from ray.serve._private import api
from ray.serve._private.constants import SERVE_NAMESPACE
from ray.serve.config import ProxyLocation, gRPCOptions
from ray.serve.schema import ApplicationStatus, DeploymentStatusOverview, ServeDeploySchema

from deployments.stages.broadcast import broadcast
from deployments.starting.config_file import ConfigFile, StartError

LOOK_EVERY = 0.25  # seconds
LOGGERS = ("ray", "ray.serve")


@contextmanager
def cluster(address: str) -> Iterator[Path]:
    """Ray at `address`, or started here for "local"; gives the folder of its logs. What Ray and Serve print and log in
    this process goes there too, into shoal.log."""
    for name in LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)
    ray.init(address=address, namespace=SERVE_NAMESPACE, log_to_driver=False, configure_logging=False)
    node: Any = ray._private.worker._global_node  # which Ray's annotations call None
    folder = Path(node.get_logs_dir_path())
    with (
        (folder / "shoal.log").open("a", buffering=1) as file,
        contextlib.redirect_stdout(file),
        contextlib.redirect_stderr(file),
    ):
        handler = logging.StreamHandler(file)
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        for name in LOGGERS:
            logger = logging.getLogger(name)
            logger.handlers, logger.propagate = [handler], False
            logger.setLevel(logging.INFO)
        try:
            yield folder
        finally:
            ray.shutdown()


def deploy(config: ConfigFile) -> None:
    """Hand the file to Serve, which starts on it; returns at once. As `serve run` does."""
    schema = ServeDeploySchema.model_validate(config.document)
    client = api.serve_start(
        http_options=schema.http_options.model_dump(),
        proxy_location=ProxyLocation(schema.proxy_location),
        grpc_options=gRPCOptions(**schema.grpc_options.model_dump()),
        controller_options=schema.controller_options,
    )
    client.deploy_apps(schema, _blocking=False)


def wait(name: str, tell: Callable[[str], None], stop: Callable[[], bool]) -> bool:
    """Returns True when the application runs, False when `stop` says so. `tell` hears how far it is. Raises StartError
    when it cannot."""
    while not stop():
        application = serve.status().applications.get(name)
        if application is not None:
            if application.status == ApplicationStatus.RUNNING:
                return True
            if application.status in (ApplicationStatus.DEPLOY_FAILED, ApplicationStatus.UNHEALTHY):
                raise StartError(_sentence(application.message, application.deployments.values()))
            tell(_progress(application.deployments))
        time.sleep(LOOK_EVERY)
    return False


def _progress(deployments: Mapping[str, DeploymentStatusOverview]) -> str:
    waiting = [name for name, each in deployments.items() if each.status.value == "UPDATING"]
    return f"waiting for {', '.join(waiting)}" if waiting else "planning"


def _sentence(message: str, deployments: Iterable[DeploymentStatusOverview]) -> str:
    """The last line of the most telling message: the others are a traceback."""
    told = [each.message for each in deployments if each.message] or [message]
    lines = [line.strip() for line in told[0].splitlines() if line.strip()]
    return lines[-1] if lines else "the application could not be deployed"


def stop(name: str, grace: float, stop_now: Callable[[], bool]) -> None:
    """End the application: new requests get 503, running ones have `grace` seconds to finish, or until `stop_now`."""
    ingress = serve.get_deployment_handle("Ingress", name)
    deadline = time.monotonic() + grace
    while sum(asyncio.run(broadcast(ingress, "drain"))) and time.monotonic() < deadline and not stop_now():
        time.sleep(LOOK_EVERY)
    serve.shutdown()
