"""Installing Shoal: the pinned requirements, the Makefile, the image, and the configuration they start."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tomllib
from importlib.metadata import requires, version
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from ray.serve.schema import ServeDeploySchema

from cluster.planning.plan import StagePlan
from deployments.settings import LimitSettings, Settings, read, read_limits
from models.types import SettingsError
from tests.paths import ROOT

MAKEFILE = (ROOT / "Makefile").read_text()
DOCKERFILE = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
OF_TORCH = re.compile(re.findall(r"^OF_TORCH := (\S+)$", MAKEFILE, re.MULTILINE)[0])
CONFIG = (ROOT / "serve_config.yaml").read_text()
SERVES = (ROOT / "requirements.txt").read_text().splitlines()
DEVELOPS = (ROOT / "requirements-dev.txt").read_text().splitlines()  # besides, for tests, lint and benches
PINNED = {canonicalize_name(Requirement(line).name): Requirement(line) for line in SERVES + DEVELOPS}

UNWANTED = [
    "gradio",
    "wandb",
    "modelscope",
    "pyaudio",
    "datasets",
    "lightning",
    "pytorch-lightning",
    "kui",
    "resampy",
    "pydub",
    "silero-vad",
]


def instructions(name: str) -> list[str]:
    """Arguments of every such instruction in the Dockerfile, in order."""
    return re.findall(rf"^{name}\s+(.*)$", DOCKERFILE, re.MULTILINE)


def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def served() -> list[str]:
    """Requirements of serving: the command's packages and the extra's."""
    return project()["project"]["dependencies"] + project()["project"]["optional-dependencies"]["serve"]


def make(*arguments: str, directory: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    """The commands that `make` would run, without running them."""
    command = ["make", "--no-print-directory", "-n", *arguments]
    return subprocess.run(
        command, cwd=directory, env=os.environ | environment, capture_output=True, text=True, check=False
    )


def test_every_requirement_is_pinned_and_from_the_index() -> None:
    assert len(PINNED) == len(SERVES + DEVELOPS), "a package is pinned twice"
    for line in SERVES + DEVELOPS:
        assert re.fullmatch(r"[a-z0-9-]+==[\w.]+( ; .+)?", line), line


def brought(requirements: list[str]) -> set[str]:
    """Names of all packages that these requirements bring on this machine, by the metadata of what is installed."""
    uv = project()["tool"]["uv"]
    replaced = {entry["name"]: entry["requires-dist"] for entry in uv["dependency-metadata"]}
    seen: set[tuple[str, str]] = set()
    left = [(Requirement(each), "") for each in requirements]
    while left:
        requirement, extra = left.pop()
        name = canonicalize_name(requirement.name)
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        for wanted in {"", *requirement.extras} if name not in uv["exclude-dependencies"] else ():
            if (name, wanted) not in seen:
                seen.add((name, wanted))
                left += [(Requirement(each), wanted) for each in replaced.get(name, requires(name) or ())]
    return {name for name, _ in seen}


def locked(lines: list[str]) -> set[str]:
    """Names that a lock installs on this machine."""
    pins = map(Requirement, lines)
    return {canonicalize_name(pin.name) for pin in pins if pin.marker is None or pin.marker.evaluate()}


def test_what_serves_is_all_that_is_installed_to_serve() -> None:
    serving = served()
    with_tests = serving + project()["dependency-groups"]["dev"]
    assert of_any_torch(locked(SERVES)) == of_any_torch(brought(serving)), "requirements.txt: run `make lock`"
    assert of_any_torch(locked(SERVES + DEVELOPS)) == of_any_torch(brought(with_tests)), "run `make lock`"


def of_any_torch(names: set[str]) -> set[str]:
    """Without the libraries for accelerators, where torch is not the default index's build and brings others."""
    return {name for name in names if "+" not in version("torch") or not OF_TORCH.match(f"{name}==")}


@pytest.mark.parametrize("name", UNWANTED)
def test_nothing_but_inference_is_installed(name: str) -> None:
    assert name not in PINNED


def test_requirements_fit_the_project() -> None:
    declared = served() + project()["dependency-groups"]["dev"]
    for requirement in map(Requirement, declared):
        pin = PINNED[canonicalize_name(requirement.name)]
        (exact,) = pin.specifier
        assert exact.version in requirement.specifier, f"{pin} is not {requirement}: run `make lock`"
        assert pin.marker == requirement.marker, f"{pin}: a direct dependency that is not installed where it is wanted"


@pytest.mark.parametrize(
    ("name", "wanted"), [("torch", "2.11.0"), ("torchaudio", "2.11.0"), ("ray", "2.60.0"), ("fish-speech", "0.1.0")]
)
def test_the_versions_everything_was_measured_with(name: str, wanted: str) -> None:
    assert str(PINNED[name].specifier) == f"=={wanted}"
    assert version(name).split("+")[0] == wanted


@pytest.mark.parametrize("system", ["linux", "darwin", "win32"])
def test_accelerator_libraries_are_for_linux_only(system: str) -> None:
    nvidia = [r for name, r in PINNED.items() if name.startswith(("nvidia-", "triton")) and r.marker]
    assert len(nvidia) > 10
    assert all(r.marker.evaluate({"sys_platform": system}) == (system == "linux") for r in nvidia if r.marker)


def test_the_image_installs_what_make_installs() -> None:
    steps = instructions("RUN")
    targets = [target for step in steps for target in re.findall(r"\bmake ([a-z]+)", step) if target != "g"]
    made = set(re.findall(r"^([a-z]+):", MAKEFILE, re.MULTILINE))
    assert [target for target in targets if target != "install"] == ["packages", "project"]
    assert set(targets) <= made
    assert not any("pip install" in step for step in steps), "packages are installed by the Makefile alone"
    assert "-r requirements.txt" in make("packages", "VENV=none").stdout


def test_a_change_of_code_does_not_reinstall_the_image_s_packages() -> None:
    order = [line for line in DOCKERFILE.splitlines() if line.startswith(("COPY", "RUN make"))]
    assert order[:3] == ["COPY Makefile requirements.txt ./", "RUN make packages TORCH=${TORCH}", "COPY . ."]


def test_the_image_runs_what_make_serve_runs() -> None:
    command = re.search(r"exec \S*/(python -m deployments serve_config.yaml)", make("serve").stdout)
    assert command and instructions("CMD")[-1] == json.dumps([*command[1].split(), "--host", "0.0.0.0"])
    port = yaml.safe_load(CONFIG)["http_options"]["port"]
    assert str(port) in instructions("EXPOSE")[0].split()
    assert f"127.0.0.1:{port}/health" in instructions("HEALTHCHECK")[0]
    exported = dict(re.findall(r"^export (\w+) := (\S+)$", MAKEFILE, re.MULTILINE))
    assert exported.items() <= dict(re.findall(r"(\w+)=(\S+)", instructions("ENV")[0])).items()


def test_the_image_does_not_run_as_root() -> None:
    (user,) = instructions("USER")
    assert user.isdigit() and int(user) > 0, "a number: Kubernetes' runAsNonRoot cannot judge a name"
    assert f"--uid {user} " in instructions("RUN")[0]
    assert instructions("ARG")[0].startswith("BASE=") and instructions("FROM") == ["${BASE}"]


def test_the_image_leaves_out_environments_and_weights() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert {".git", ".venv", "voices", "checkpoints/*"} <= set(ignored)
    kept = [line[1:] for line in ignored if line.startswith("!")]
    ours = [*(ROOT / "checkpoints").glob("*.*"), ROOT / "checkpoints" / "starter"]
    assert all(any(path.match(pattern) for pattern in kept) for path in ours)


def test_what_is_installed_is_not_installed_again(tmp_path: Path) -> None:
    for name in ("Makefile", "requirements.txt", "requirements-dev.txt", "pyproject.toml", "serve_config.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    first = make("test", directory=tmp_path).stdout
    stamps = re.findall(r"touch (\S+)", first)
    assert "pip install" in first and len(stamps) == 3
    for stamp in stamps:
        (tmp_path / stamp).parent.mkdir(exist_ok=True)
        (tmp_path / stamp).touch()
    assert "pip install" not in make("test", directory=tmp_path).stdout
    (tmp_path / "requirements-dev.txt").write_text("other==1\n")
    assert "pip install" in make("test", directory=tmp_path).stdout
    assert "pip install" not in make("install", directory=tmp_path).stdout
    (tmp_path / "requirements.txt").write_text("other==1\n")
    assert "pip install" in make("install", directory=tmp_path).stdout


def test_only_what_tests_installs_their_packages() -> None:
    assert "requirements-dev.txt" not in make("serve", "VENV=none").stdout
    for target in ("test", "lint", "bench"):
        assert "-r requirements-dev.txt" in make(target, "VENV=none").stdout


def test_without_a_fitting_python_make_says_what_is_needed(tmp_path: Path) -> None:
    for name in ("Makefile", "requirements.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    result = subprocess.run(["make", "install", "PYTHON=false"], cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode != 0
    assert "Shoal needs Python 3.11 or 3.12" in result.stderr
    assert not (tmp_path / ".venv").exists()


def test_the_configuration_is_what_ray_and_settings_take() -> None:
    given = yaml.safe_load(CONFIG)
    schema = ServeDeploySchema.model_validate(given)
    assert given.keys() <= ServeDeploySchema.model_fields.keys(), "Ray would drop an unknown key without a word"
    (application,) = schema.applications
    assert application.import_path == "deployments.app:build"
    assert read(application.args, {}) == Settings(**_changed(application.args))


def _changed(args: dict) -> dict:
    """The file shows every knob at its default: what differs from it would be a surprise."""
    return {name: value for name, value in args.items() if name not in Settings.model_fields}


def test_the_configuration_names_every_knob() -> None:
    (application,) = yaml.safe_load(CONFIG)["applications"]
    args, (ingress,) = application["args"], application["deployments"]
    assert args.keys() == Settings.model_fields.keys() - {"api_keys"}
    for section in ("autoscaling", "balance", "monitoring"):
        assert args[section].keys() == type(getattr(Settings(), section)).model_fields.keys()
    assert ingress == {"name": "Ingress", "user_config": LimitSettings().model_dump()}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"text_char": 10}, "unknown key 'text_char'.*did you mean 'text_chars'"),
        ({"text_chars": 0}, "text_chars: .*greater than or equal to 1, got 0"),
        ({"body_mb": "64"}, "body_mb: .*integer, got '64'"),
        (None, "limits: "),
    ],
)
def test_faulty_limits_are_named(given: object, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        read_limits(given)


def test_limits_in_args_say_where_they_belong() -> None:
    with pytest.raises(SettingsError, match="user_config"):
        read({"limits": {"text_chars": 10}}, {})


def test_keys_that_are_none_do_not_open_the_server() -> None:
    assert len(read({}, {"SHOAL_API_KEYS": "a, b,"}).api_keys) == 2
    with pytest.raises(SettingsError, match="holds no key"):
        read({}, {"SHOAL_API_KEYS": " ,"})


@pytest.mark.parametrize(
    "origin",
    ["https://shoal.example/", "shoal.example", "https://shoal.example/page", "https://a b", "://x", "HTTP", ""],
)
def test_what_is_no_origin_is_refused(origin: str) -> None:
    with pytest.raises(SettingsError, match=r"origins\.0: "):
        read({"origins": [origin]}, {})


def test_the_environment_says_how_many_nodes_to_wait_for() -> None:
    assert read({"nodes": 2}, {"NODES": "3"}).nodes == 3
    with pytest.raises(SettingsError, match=r"nodes: .*got 'many'"):
        read({}, {"NODES": "many"})
    with pytest.raises(SettingsError, match=r"nodes: .*got '3'"):
        read({"nodes": "3"}, {})


def test_the_commented_examples_are_valid() -> None:
    examples = yaml.safe_load("\n".join(re.findall(r"^\s*#\s+(\w+: \{.*\})", CONFIG, re.MULTILINE)))
    pools = examples.pop("pools")
    assert len(examples) == 3
    settings = read({"stages": examples, "pools": pools}, {})
    assert [pool.device for pool in settings.pool_options.values()] == ["cuda", "cpu"]
    fields = {name for stage in settings.stages.values() for name in stage}
    assert fields <= set(StagePlan.__dataclass_fields__)
    with pytest.raises(SettingsError, match="did you mean"):
        read({"stage": examples}, {})
