"""Memory of each stage by itself, measured in a control group, against the planner's model of it.

python -m tests.bench.footprints CHECKPOINT [STAGE ...]

A stage runs as its replica would (its modules imported, warmed up, every slot full) in a process and a control group of
its own. Printed are GB of anonymous memory at its peak, GB of mapped files, which the kernel takes back when it needs
them, and what the model says. Root and a memory controller are needed.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import Any

from cluster.planning.footprints import GB, Footprints, Room
from cluster.planning.stages import DECODER, ENCODER, LM
from tests.graph.control_group import made

THREADS = 2
SAMPLE_EVERY = 0.02  # seconds
RAY_GB = 0.05  # of Ray's threads and buffers, which a replica has besides: 0.02 to 0.07 on the tiny graph
CASES: list[dict[str, Any]] = [
    *({"stage": LM, "quantization": "int8", "slots": slots, "voices": 2} for slots in (1, 4)),
    {"stage": LM, "quantization": "int8", "slots": 1, "voices": 0},
    {"stage": LM, "quantization": "int4", "slots": 1, "voices": 2},
    *({"stage": DECODER, "precision": precision, "slots": 1, "streams": 2} for precision in ("bf16", "int16", "fp32")),
    {"stage": DECODER, "precision": "bf16", "slots": 4, "streams": 32},
    *({"stage": ENCODER, "precision": precision, "slots": 1} for precision in ("fp32", "bf16")),
]


def main(checkpoint: str, stages: list[str]) -> None:
    """Measure every case, or those of some stages, and print a line for each."""
    from deployments.planning import footprints_of
    from models.checkpoint.reader import Checkpoint

    model = footprints_of(Checkpoint(checkpoint))
    for case in CASES:
        if not stages or case["stage"] in stages:
            found = measure(checkpoint, case)
            modelled = modelled_gb(model, case)
            off = 100 * (modelled / found["peak_gb"] - 1)
            print(
                json.dumps({**case, **found, "model_gb": round(modelled, 2), "off_percent": round(off, 1)}), flush=True
            )


def modelled_gb(model: Footprints, case: dict[str, Any]) -> float:
    """The planner's figure for a case."""
    room = Room(case["slots"], case.get("voices", 0), case.get("streams", 0))
    precision, quantization = case.get("precision", "bf16"), case.get("quantization", "none")
    return model.stage_gb(case["stage"], "cpu", precision, quantization, room)


def measure(checkpoint: str, case: dict[str, Any]) -> dict[str, float]:
    """Peaks of one case, in GB."""
    with made() as group:
        command = [sys.executable, "-m", __spec__.name, "--run", checkpoint, json.dumps(case)]
        # From before its first import on: memory stays charged to the group in which it was first touched.
        join = ["sh", "-c", 'echo $$ > "$0/cgroup.procs" && exec "$@"', str(group.path)]
        process = subprocess.Popen([*join, *command])
        anonymous = mapped = 0
        while process.poll() is None:
            anonymous, mapped = max(anonymous, group.anonymous()), max(mapped, group.mapped())
            time.sleep(SAMPLE_EVERY)
        assert process.returncode == 0, f"{case} failed with {process.returncode}"
    return {"peak_gb": round(anonymous / GB + RAY_GB, 2), "mapped_gb": round(mapped / GB, 2)}


def run(checkpoint: str, case: dict[str, Any]) -> None:
    """One stage at its fullest."""
    import torch

    torch.set_num_threads(THREADS)
    torch.set_grad_enabled(False)
    {LM: _text_to_semantic, DECODER: _decoder, ENCODER: _encoder}[case["stage"]](checkpoint, case)


def _text_to_semantic(checkpoint: str, case: dict[str, Any]) -> None:
    """Every voice kept, then every slot filled at once."""
    import itertools
    import queue

    import torch

    import deployments.stages.text_to_semantic  # noqa: F401  what a replica imports
    from models.checkpoint.reader import Checkpoint
    from models.text_to_semantic.load import PREFILL_CHUNK, PREFIX_POSITIONS, load_engine
    from models.text_to_semantic.network.interface import EncodedPrompt
    from models.types import Finished, Sampling

    slots, source = case["slots"], Checkpoint(checkpoint)
    _, engine = load_engine(
        source,
        device="cpu",
        dtype=torch.bfloat16,
        quantization=case["quantization"],
        compiled=False,
        slots=slots,
        threads=THREADS,
        voices=case["voices"],
        lead=1 << 30,
    )
    events: queue.Queue[object] = queue.Queue()
    names = itertools.count()

    def speak(prompts: list[EncodedPrompt], frames: int) -> None:
        for i, prompt in enumerate(prompts):
            engine.submit(str(next(names)), prompt, Sampling(max_new_tokens=frames, seed=i), events.put)
        left = len(prompts)
        while left:
            event = events.get()
            if isinstance(event, Exception):
                raise event
            left -= isinstance(event, Finished)

    def words(count: int, kept: int = 0, key: str | None = None) -> EncodedPrompt:
        values = torch.zeros(1 + source.codec_config.num_codebooks, count, dtype=torch.int32)
        values[0] = torch.randint(0, 1000, (count,))
        return EncodedPrompt(values, kept, key)

    for voice in range(case["voices"]):
        speak([words(PREFIX_POSITIONS + 8, PREFIX_POSITIONS, f"voice {voice}")], 2)
    positions = engine.stats()["positions"]
    frames = slots * positions // PREFILL_CHUNK + 8  # as long as the last slot is prefilled, the first goes on
    speak([words(positions - frames - 1) for _ in range(slots)], frames)
    print(json.dumps(engine.stats()), file=sys.stderr)
    engine.stop()


def _decoder(checkpoint: str, case: dict[str, Any]) -> None:
    """As many streams side by side as there are slots, in the longest blocks."""
    import numpy as np

    import deployments.stages.vq_decoder  # noqa: F401
    from models.checkpoint.reader import Checkpoint
    from models.runtime.memory import trim
    from models.text_to_semantic.engine.blocks import ramp
    from models.vq_decoder.decoder import VQDecoder

    source = Checkpoint(checkpoint)
    tensors = source.codec_tensors("decoder")
    network = VQDecoder(source.codec_config, tensors, "cpu", case["precision"], case["streams"])
    trim()
    network.warm_up(ramp(4, 25))
    streams = [network.open() for _ in range(case["streams"])]
    codes = np.zeros((source.codec_config.num_codebooks, 25), np.int16)
    for first in range(0, len(streams), case["slots"]):
        for _ in range(3):
            network.decode([(stream, codes) for stream in streams[first : first + case["slots"]]])


def _encoder(checkpoint: str, case: dict[str, Any]) -> None:
    """As many recordings of 30 s at once as there are slots."""
    import numpy as np

    import deployments.stages.reference_encoder  # noqa: F401
    from models.checkpoint.reader import Checkpoint
    from models.reference_encoder.encoder import ReferenceEncoder
    from models.runtime.memory import trim

    source = Checkpoint(checkpoint)
    tensors = source.codec_tensors("encoder")
    network = ReferenceEncoder(source.codec_config, tensors, "cpu", case["precision"])
    trim()
    network.warm_up()
    noise = np.random.default_rng(0).normal(0, 0.1, 30 * source.codec_config.sample_rate).astype(np.float32)
    network.encode([noise] * case["slots"])


if __name__ == "__main__":
    if sys.argv[1] == "--run":
        run(sys.argv[2], json.loads(sys.argv[3]))
    else:
        main(sys.argv[1], sys.argv[2:])
