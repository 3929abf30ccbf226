"""A request that is over as a row: of synthesis_*.csv, of GET /system/requests, and briefly of the access log. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from deployments.monitoring.csvlog import Value, timestamp
from deployments.monitoring.stats import RequestStats, SegmentStats

Row = Mapping[str, Value]

# The access log's words for columns; of several requests on one connection, how they are put together.
BRIEF: Mapping[str, tuple[str, Callable[[list[float]], float]]] = {
    "chars": ("text_chars", sum),
    "audio": ("audio_seconds", sum),
    "queue": ("queue_seconds", max),
    "encode": ("encode_seconds", max),
    "first": ("ttfa_seconds", max),
    "generate": ("text_to_semantic_seconds", sum),
    "decode": ("vq_decoder_seconds", sum),
    "total": ("wall_seconds", sum),
}


def brief(requests: Sequence[RequestStats]) -> list[str]:
    """The figures of a connection's speech requests as key=value, those that are known, times in seconds. Of several,
    texts, audio and work are added up, waits are the longest, and the end is the last one's."""
    if not requests:
        return []
    rows = [row(stats, "") for stats in requests]
    told: dict[str, Value] = {"requests": len(rows)} if len(rows) > 1 else {}
    for word, (column, together) in BRIEF.items():
        if known := [value for each in rows if isinstance(value := each[column], (int, float))]:
            told[word] = together(known)
    told |= {word: rows[-1][word] for word in ("pool", "replica", "ended") if rows[-1][word] is not None}
    return [f"{word}={value:.3f}" if isinstance(value, float) else f"{word}={value}" for word, value in told.items()]


def row(stats: RequestStats, tier: str) -> dict[str, Value]:
    """Every column of synthesis_*.csv in order; a figure that is not known is None, never 0.

    Figures of the stages are there when every segment was spoken to its end: `queue_seconds` is the first segment's,
    peaks are the largest, rates and means are over all segments.
    """
    origin = stats.origin
    return {
        "time": timestamp(stats.began),
        "request_id": stats.request_id,
        "status": stats.status,
        "error": stats.error,
        "ended": _ended(stats),
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
        "pool": stats.pool,
        "replica": origin.replica if origin else None,
        "tier": origin.tier if origin else tier,
        "device": origin.device if origin else None,
        "precision": origin.precision if origin else None,
        "quantization": origin.quantization if origin else None,
        "compile": str(origin.compiled).lower() if origin else None,
    }


def _ended(stats: RequestStats) -> str | None:
    """How it ended: the kind of error, at a limit (of frames, or of the checkpoint's context), or complete."""
    if stats.error or stats.status is None:
        return stats.error
    return "limit" if stats.reached_limit else "complete"


def _stages(ended: list[SegmentStats]) -> dict[str, Value]:
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
