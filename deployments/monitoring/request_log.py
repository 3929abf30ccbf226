"""What becomes of a finished request's figures: Prometheus metrics always, a row of synthesis_*.csv when asked."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from pathlib import Path

from deployments.monitoring.csvlog import CsvLog, timestamp
from deployments.monitoring.metrics import RequestMetrics
from deployments.monitoring.stats import RequestStats, SegmentStats
from deployments.synthesis.pipeline import Pipeline

Cell = str | int | float | None

TELL_EVERY = 1.0  # seconds; Ray forgets a gauge that is not set again


class RequestLog:
    """Of one ingress replica. Raises SettingsError where `csv` is a folder that cannot be written to."""

    def __init__(self, tier: str, csv: Path | None) -> None:
        self._tier = tier
        self._metrics = RequestMetrics(tier)
        self._rows = CsvLog(csv, "synthesis", tier, COLUMNS) if csv else None

    def record(self, stats: RequestStats) -> None:
        """Take down a request that is over; returns at once."""
        self._metrics.observe(stats)
        if self._rows:
            self._rows.write(row(stats, self._tier))

    def follow(self, pipeline: Pipeline) -> None:
        """Tell from now on how many requests run, and how its cache of references fares."""

        def run() -> None:
            while True:
                self._metrics.tell(pipeline.running, pipeline.encoded.hits, pipeline.encoded.misses)
                time.sleep(TELL_EVERY)

        threading.Thread(target=run, name="request-metrics", daemon=True).start()


def row(stats: RequestStats, tier: str) -> dict[str, Cell]:
    """Every column of synthesis_*.csv in order; a figure that is not known is None, never 0.

    Figures of the stages are there when every segment was spoken to its end: `queue_seconds` is the first segment's,
    peaks are the largest, rates and means are over all segments.
    """
    origin = stats.origin
    return {
        "time": timestamp(stats.began),
        "status": stats.status,
        "error": stats.error,
        "text_chars": stats.text_chars,
        "streaming": str(stats.streaming).lower(),
        "segments": stats.segments,
        "reference_seconds": stats.reference_seconds,
        "encode_seconds": stats.encode_seconds,
        "ttfa_seconds": stats.ttfa_seconds,
        "wall_seconds": stats.wall_seconds,
        "audio_seconds": stats.audio_seconds,
        "rtf": stats.rtf,
        "underrun_seconds": stats.underrun_seconds,
        **_stages(stats.ended if stats.error is None else []),
        "tier": origin.tier if origin else tier,
        "device": origin.device if origin else None,
        "precision": origin.precision if origin else None,
        "quantization": origin.quantization if origin else None,
        "compile": str(origin.compiled).lower() if origin else None,
    }


def _stages(ended: list[SegmentStats]) -> dict[str, Cell]:
    finished = [segment.generated.finished for segment in ended]
    uses = [segment.generated.use for segment in ended]
    frames = _sum(segment.codes_shape[1] for segment in ended)
    steps, decoding = _sum(each.decode_steps for each in finished), _sum(each.decode_seconds for each in finished)
    seconds = _sum(each.seconds for each in finished)
    read = _sum(segment.generated.finished.decode_steps * segment.generated.bytes_per_step for segment in ended)
    return {
        "queue_seconds": finished[0].queue_seconds if finished else None,
        "text_to_semantic_seconds": seconds,
        "vq_decoder_seconds": _sum(segment.decode_seconds for segment in ended),
        "prompt_positions": _sum(each.prompt_positions for each in finished),
        "cached_positions": _sum(each.cached_positions for each in finished),
        "frames": frames,
        "codes_shape": f"{ended[0].codes_shape[0]}x{frames}" if ended else None,
        "frames_per_second": _ratio(frames, seconds),
        "decode_steps": steps,
        "decode_steps_per_second": _ratio(steps, decoding),
        "weights_gb_per_second": _ratio(read and read / 1e9, decoding),
        "batch_width": _mean((each.batch_width, each.decode_steps) for each in finished),
        "vq_decoder_batch_width": _mean((segment.batch_width, segment.codes_shape[1]) for segment in ended),
        "cpu_percent": _mean((use.cpu, each.seconds) for use, each in zip(uses, finished, strict=True)),
        "gpu_mean_percent": _mean((use.gpu_mean, each.seconds) for use, each in zip(uses, finished, strict=True)),
        "gpu_peak_percent": _largest(use.gpu_peak for use in uses),
        "vram_peak_bytes": _largest(use.vram_peak for use in uses),
        "rss_bytes": _largest(use.rss for use in uses),
    }


def _sum(values: Iterable[float]) -> float | None:
    values = list(values)
    return sum(values) if values else None


def _ratio(value: float | None, of: float | None) -> float | None:
    """None where there is nothing to divide: a rate of no work is unknown."""
    return value / of if value and of else None


def _mean(values: Iterable[tuple[float | None, float]]) -> float | None:
    known = [(value, weight) for value, weight in values if value is not None]
    return _ratio(sum(value * weight for value, weight in known), sum(weight for _, weight in known))


def _largest(values: Iterable[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)


COLUMNS = list(row(RequestStats(0, False), ""))
