"""The benchmark on the tiny checkpoint: that its commands run and say what they promise, not how fast anything is."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import httpx
import pytest
import torch

from models.checkpoint.reader import Checkpoint
from tests.bench import codec, poisson, serving, t2s
from tests.bench.__main__ import ROWS, run
from tests.bench.gpu import engine as gpu
from tests.bench.gpu import graph as gpu_graph
from tests.bench.isolate import Bench
from tests.bench.listening import VOICES, over_http
from tests.bench.report import LINES, Figure, entry, markdown
from tests.paths import RECORDINGS

pytestmark = pytest.mark.slow

KEYS = {"row", "unit", "ours", "upstream", "ratio", "target", "machine", "date"}
ON_RAY = {"ttfa", "memory", "graph-overhead", "poisson"}


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(t2s, "FRAMES", 6)
    monkeypatch.setattr(t2s, "UPSTREAM_FRAMES", 2)
    monkeypatch.setattr(codec, "UTTERANCE", 10)
    monkeypatch.setattr(codec, "REFERENCE_SECONDS", 1)
    monkeypatch.setattr(serving, "UTTERANCE", 10)


def test_every_row_without_ray_measures_its_lines(tiny: Path, short: None) -> None:
    rows = set(ROWS) - ON_RAY
    entries = json.loads(json.dumps(run(Bench(tiny, threads=1, repeats=1, isolated=False), sorted(rows))))
    assert {each["row"] for each in entries} == rows
    for each in entries:
        assert each.keys() >= KEYS
        assert each["skipped"] or each["ours"] > 0
        assert each["skipped"] or each["row"] == "quality" or (each["upstream"] > 0 and each["ratio"] > 0)
    table = markdown(entries, "note").splitlines()
    assert [row.split(" | ")[0].removeprefix("| ") for row in table[2:-2]] == [each["what"] for each in entries]


def test_the_gpu_row_measures_everything_with_one_network(
    tiny: Path, short: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu, "STREAMS", 3)
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))
    found = json.loads(json.dumps(gpu.everything(str(tiny), 1, 1, device="cpu")))
    assert found["host"] == {"cuda_calls_a_frame": {}}  # there is no GPU to call
    assert found["compile_s"] > 0 and found["first"]["four_frames_s"] > 0
    assert all(found[streams]["frames_per_second"] > 0 for streams in ("one", "many"))


@pytest.fixture
def voices(graph: str) -> str:
    """The graph's address, with the voices that listeners ask for."""
    recording = (RECORDINGS / "june-fr.wav").read_bytes()
    for i in range(VOICES):
        files = {"audio": ("voice.wav", recording, "audio/wav")}
        data = {"id": f"voice-{i}", "text": "Félicitations."}
        httpx.post(f"{graph}/v1/references/add", data=data, files=files, timeout=60).raise_for_status()
    yield graph
    for i in range(VOICES):
        httpx.delete(f"{graph}/v1/references/delete/voice-{i}")


def test_listening_to_the_graph(voices: str, tiny: Path, tmp_path: Path) -> None:
    config = Checkpoint(tiny).codec_config
    rate = config.sample_rate

    async def listen() -> tuple[dict, dict, dict, dict]:
        async with serving.client(voices) as http:
            compared = await serving.compare(voices, over_http(http), rate, repeats=1)
        grown = await serving.growth(voices, config, frames=20, requests=4)
        rising = await poisson.rising(voices, rate, limit=2)
        return compared, grown, rising, await gpu_graph.listen(voices, rate, 1, streams=3, arrivals=2)

    with ThreadPoolExecutor(1) as thread:  # a browser of another test may hold a loop in this one
        compared, grown, rising, on_gpu = thread.submit(asyncio.run, listen()).result()
    assert on_gpu["many"] > 0 and on_gpu["first_s"] > 0 and len(on_gpu["poisson"]["rates"]) == len(poisson.LOADS)
    assert all(len(times) == 2 and min(times) > 0 for times in compared["first_s"].values())
    assert grown["replicas"].keys() >= serving.DEPLOYMENTS.keys()
    assert all(0.05 < replica["rss"] < 4 for replica in grown["replicas"].values())
    assert len(rising["rates"]) == len(poisson.LOADS)
    poisson.draw(rising["rates"], tmp_path / "poisson.png")
    assert (tmp_path / "poisson.png").read_bytes().startswith(b"\x89PNG")
    for each in rising["rates"]:
        assert each["requests"] == 2 and each["refused"] == 0
        assert 0 < each["ttfa_p50"] <= each["ttfa_p95"]
        assert 0 <= each["goodput"] <= each["throughput"]


def test_a_miss_shows() -> None:
    missed, reached = entry(Figure("t2s-1", 10.0, 0.1)), entry(Figure("decode", 0.3, 1.5))
    assert (missed["reached"], missed["target"], missed["ratio"]) == (False, 20, 100)
    assert reached["reached"] and reached["ratio"] == pytest.approx(5)
    assert "**no**" in markdown([missed], "") and "**no**" not in markdown([reached], "")


def test_every_line_belongs_to_a_row() -> None:
    assert {line.row for line in LINES.values()} == set(ROWS)
