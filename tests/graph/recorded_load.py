"""A fixed load of 30 requests of mixed lengths, and a check of the CSV logs that it leaves.

python -m tests.graph.recorded_load http://localhost:8000    sends the load
python -m tests.graph.recorded_load logs                     checks a folder of CSV logs (monitoring.csv)
"""

from __future__ import annotations

import csv
import json
import random
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import httpx

from cluster.machine.profile import HardwareProfile
from tests.bench.listening import WORDS
from tests.paths import RECORDINGS

VOICE = RECORDINGS / "june-fr.wav"
SPOKEN = 30
AT_ONCE = 4
# What fails, and how the logs name it: (body, status, kind).
FAILURES = [
    ({"text": " "}, 422, "Unsayable"),
    ({"text": "Hello.", "reference_id": "nobody-of-that-name"}, 404, "VoiceNotFound"),
    ({"text": "Hello.", "references": [{"audio": "bm90aGluZw==", "text": "x"}]}, 415, "NotAudio"),
]
GPU_COLUMNS = ("gpu_mean_percent", "gpu_peak_percent", "vram_peak_bytes")
# Columns that a request may leave empty although all went well, and those in which 0 is a figure.
OPTIONAL = {*GPU_COLUMNS, "error", "reference_seconds", "encode_seconds", "underrun_seconds", "cpu_percent"}
MAY_BE_ZERO = {"underrun_seconds", "cached_positions", "queue_seconds", "cpu_percent", "gpu_mean_percent"}
MAY_BE_ZERO |= {"gpu_peak_percent"}


def requests() -> list[dict]:
    """Texts of 2 to 120 words, every third streamed, every fourth with a reference recording."""
    draw = random.Random(7)
    voice = {"audio": VOICE.read_bytes(), "text": "Félicitations."}
    made = []
    for i in range(SPOKEN):
        text = " ".join(draw.choices(WORDS, k=draw.choice((2, 8, 20, 40, 120)))).capitalize() + "."
        body = {"text": text, "seed": i, "max_new_tokens": draw.choice((4, 40, 150)), "streaming": i % 3 == 0}
        made.append(body | ({"references": [voice]} if i % 4 == 0 else {}))
    return made


def send(address: str) -> None:
    """The load, four at a time; then what fails, and a client that leaves."""
    import ormsgpack

    with httpx.Client(base_url=address, timeout=120) as client, ThreadPoolExecutor(AT_ONCE) as pool:

        def speak(body: dict) -> None:
            packed = ormsgpack.packb(body)
            answer = client.post("/v1/tts", content=packed, headers={"content-type": "application/msgpack"})
            assert answer.status_code == 200, answer.text

        list(pool.map(speak, requests()))
        for body, status, _ in FAILURES:
            answer = client.post("/v1/tts", json=body)
            assert answer.status_code == status, answer.text
        endless = {"text": "On and on it goes, over and over. " * 100, "streaming": True, "format": "pcm"}
        with client.stream("POST", "/v1/tts", json=endless) as answer:
            next(answer.iter_raw())


def read(folder: Path, kind: str) -> list[dict[str, str]]:
    """The rows of every log of a kind."""
    rows = []
    for path in sorted(folder.glob(f"{kind}_*.csv")):
        with path.open(newline="") as file:
            rows += csv.DictReader(file)
    return rows


def check(folder: Path) -> dict[str, int]:
    """Raises AssertionError naming the row that is wrong; returns how many rows of each kind there were."""
    (described,) = folder.glob("hardware_*.json")
    hardware = json.loads(described.read_text())
    machines = [HardwareProfile.from_json(json.dumps(machine)) for machine in hardware["machines"]]
    has_gpu = any(machine.gpus for machine in machines)
    synthesis, realtime = read(folder, "synthesis"), read(folder, "realtime")
    good = [row for row in synthesis if not row["error"]]
    for row in good:
        _check_spoken(row, hardware["tier"])
    for row in (row for row in synthesis if row["error"]):
        assert int(row["status"]) >= 400, row
        assert not row["frames"] and not row["queue_seconds"], f"figures of stages that are not known: {row}"
        assert not (row["rtf"] and not row["audio_seconds"]), row
    lengths = {round(float(row["audio_seconds"]) / int(row["frames"]), 9) for row in good}
    assert len(lengths) == 1, f"frames and audio disagree: a frame has {lengths} seconds"
    for row in realtime:
        datetime.fromisoformat(row["time"])
        assert 0 <= float(row["cpu_percent"]) <= 100 and 0 < float(row["ram_percent"]) <= 100, row
        assert int(row["slots_used"]) + int(row["waiting"]) > 0, f"nothing ran: {row}"
    if not has_gpu:
        assert not any(row[column] for row in synthesis for column in GPU_COLUMNS)
        assert not any(row[column] for row in realtime for column in ("gpu_percent", "vram_used_bytes"))
    return {"spoken": len(good), "failed": len(synthesis) - len(good), "realtime": len(realtime)}


def _check_spoken(row: dict[str, str], tier: str) -> None:
    wall, audio = float(row["wall_seconds"]), float(row["audio_seconds"])
    assert abs(float(row["rtf"]) - wall / audio) < 0.001, row
    assert row["status"] == "200" and row["tier"] == tier and row["device"], row
    assert row["codes_shape"].endswith(f"x{row['frames']}"), row
    assert float(row["ttfa_seconds"]) <= wall, row
    assert (row["streaming"] == "true") == bool(row["underrun_seconds"]), row
    if int(row["decode_steps"]):
        assert float(row["batch_width"]) >= 1 and float(row["weights_gb_per_second"]) > 0, row
    for column, cell in row.items():
        stepless = column.startswith(("decode_steps", "batch_width", "weights")) and row["decode_steps"] == "0"
        assert cell or column in OPTIONAL or stepless, f"{column} is not known: {row}"
        if column not in MAY_BE_ZERO and cell.replace(".", "", 1).isdigit() and not stepless:
            assert float(cell) != 0, f"{column} is 0: {row}"


if __name__ == "__main__":
    (given,) = sys.argv[1:]
    print(send(given) if given.startswith("http") else check(Path(given)))
