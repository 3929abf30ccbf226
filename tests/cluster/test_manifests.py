"""The cluster files: what Ray's launcher and Kubernetes would read of them."""

from __future__ import annotations

import json
import os
import subprocess
from fnmatch import fnmatch
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft7Validator
from ray.autoscaler._private.util import prepare_config, validate_config

from deployments.app import SHUTDOWN_SECONDS
from tests.paths import ROOT

CLAIM, SERVICE = yaml.safe_load_all((ROOT / "cluster" / "kubernetes" / "rayservice.yaml").read_text())
CLUSTER = SERVICE["spec"]["rayClusterConfig"]
HEAD, WORKERS = CLUSTER["headGroupSpec"], CLUSTER["workerGroupSpecs"]
PODS = [group["template"]["spec"] for group in (HEAD, *WORKERS)]
CONTAINERS = [container for pod in PODS for container in pod["containers"]]
# The schema of KubeRay's RayService (162 KB, generated) is not kept here: name a copy of it, or of the operator's CRD.
SCHEMA = Path(os.environ.get("KUBERAY_SCHEMA", "unset"))


def strict(schema: object) -> object:
    """The schema with unknown keys refused, as Kubernetes would drop them without a word."""
    if isinstance(schema, list):
        return [strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: strict(part) for key, part in schema.items()}
    if isinstance(schema.get("properties"), dict) and not schema.get("x-kubernetes-preserve-unknown-fields"):
        found.setdefault("additionalProperties", False)
    return found


@pytest.mark.skipif(not SCHEMA.exists(), reason="set KUBERAY_SCHEMA to the schema of KubeRay's RayService")
def test_the_manifest_is_what_kuberay_takes() -> None:
    schema = json.loads(SCHEMA.read_text())
    validator = Draft7Validator(strict(schema))
    assert not [f"{error.json_path}: {error.message}" for error in validator.iter_errors(SERVICE)]
    broken = json.loads(json.dumps(SERVICE))
    broken["spec"]["rayClusterConfig"]["headGroupSpec"]["template"]["spec"]["container"] = []
    assert any("'container' was unexpected" in error.message for error in validator.iter_errors(broken))


def test_it_deploys_serve_config_yaml() -> None:
    assert SERVICE["spec"]["serveConfigV2"] == (ROOT / "serve_config.yaml").read_text()


def test_ray_is_the_one_that_is_installed() -> None:
    assert CLUSTER["rayVersion"] == version("ray")


def test_no_container_is_root_and_each_says_what_it_takes() -> None:
    user = int((ROOT / "Dockerfile").read_text().split("\nUSER ")[1].split()[0])
    for pod in PODS:
        assert pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["runAsUser"] == user
    for container in CONTAINERS:
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        assert {"cpu", "memory"} <= container["resources"]["requests"].keys()
        assert container["resources"]["requests"] == container["resources"]["limits"]


def test_checkpoints_and_voices_outlive_the_pods() -> None:
    for pod in PODS:
        (container,) = pod["containers"]
        variables = {each["name"]: each.get("value", "") for each in container["env"]}
        mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        assert volumes[mounts["/data"]]["persistentVolumeClaim"]["claimName"] == CLAIM["metadata"]["name"]
        assert variables["CHECKPOINT"].startswith("/data/") and variables["VOICES"].startswith("/data/")
        assert volumes[mounts["/dev/shm"]]["emptyDir"]["medium"] == "Memory"


def test_pods_end_after_what_runs_in_them() -> None:
    for group in WORKERS:
        (container,) = group["template"]["spec"]["containers"]
        pause = int(container["lifecycle"]["preStop"]["exec"]["command"][1])
        assert SHUTDOWN_SECONDS < pause < group["template"]["spec"]["terminationGracePeriodSeconds"]
    assert SERVICE["spec"]["rayClusterDeletionDelaySeconds"] > SHUTDOWN_SECONDS


def test_requests_go_where_they_are_answered() -> None:
    port = yaml.safe_load(SERVICE["spec"]["serveConfigV2"])["http_options"]["port"]
    for group in WORKERS:
        (container,) = group["template"]["spec"]["containers"]
        assert container["readinessProbe"]["httpGet"] == {"path": "/v2/health/ready", "port": port}
        assert {"name": "serve", "containerPort": port} in container["ports"]
    for container in CONTAINERS:
        assert container["livenessProbe"]["httpGet"]["path"] == "/api/local_raylet_healthz"
    assert SERVICE["spec"]["excludeHeadPodFromServeSvc"] and HEAD["rayStartParams"]["num-cpus"] == "0"


def test_gpus_come_and_go() -> None:
    gpu = next(g for g in WORKERS if "nvidia.com/gpu" in g["template"]["spec"]["containers"][0]["resources"]["limits"])
    assert gpu["minReplicas"] == 0 and CLUSTER["enableInTreeAutoscaling"]


def test_the_head_can_be_lost() -> None:
    options = CLUSTER["gcsFaultToleranceOptions"]
    assert options["redisAddress"] and "secretKeyRef" in options["redisPassword"]["valueFrom"]


def test_the_launchers_file_is_what_ray_takes() -> None:
    config = yaml.safe_load((ROOT / "cluster" / "ray-cluster.yaml").read_text())
    provider = config["provider"]
    config["file_mounts"] = {}  # paths of the machine that launches
    validate_config(prepare_config(config))
    assert len(provider["worker_ips"]) == config["max_workers"]
    (install,) = config["setup_commands"]
    subprocess.run(["bash", "-ec", install.replace("make -C ~/shoal", "make -n")], cwd=ROOT, check=True, timeout=60)
    assert not any(fnmatch("model.pth", pattern) for pattern in config["rsync_exclude"]), "the starter has to travel"
    for commands in (config["head_start_ray_commands"], config["worker_start_ray_commands"]):
        assert "ray stop" in commands[0] and "ray start" in commands[-1]
