"""Utterances as the corpus holds them: float32 at 16 kHz, without the silence around, all equally loud."""

from pathlib import Path

import numpy as np

RATE = 16_000
LEVEL = 0.07  # root mean square of every utterance, -23 dB of full scale


def trim(audio: np.ndarray) -> tuple[np.ndarray, int]:
    """Without the silence around, but for 50 ms before and 100 ms after, and the first sample kept."""
    loud = np.flatnonzero(np.abs(audio) > 0.01 * np.abs(audio).max())
    first = max(0, int(loud[0]) - RATE // 20)
    return audio[first : int(loud[-1]) + RATE // 10], first


def level(audio: np.ndarray) -> np.ndarray:
    """As loud as every utterance, but for peaks over 0.95."""
    rms = float(np.sqrt(np.mean(audio**2))) + 1e-6
    return audio * min(LEVEL / rms, 0.95 / (float(np.abs(audio).max()) + 1e-6))


def recording(path: Path) -> np.ndarray | None:
    """A recorded utterance as the corpus holds them; None where there is no speech."""
    import av

    if not path.stat().st_size:
        return None
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray().reshape(-1) for frame in container.decode(audio=0)]
    audio = np.concatenate(frames).astype(np.float32) / 32768
    if len(audio) < RATE // 2 or np.abs(audio).max() < 0.01:
        return None
    return level(trim(audio)[0])
