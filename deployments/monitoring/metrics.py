"""Prometheus metrics, through Ray's: each replica reports to its node's agent, and GET /metrics gathers from those.

Ray's agents keep of a histogram's observations only their buckets, so that its `_sum` is an estimate; what must be
exact is a counter too. A label whose value is not known is empty.
"""

from __future__ import annotations

from typing import Any

from ray.serve.metrics import Counter, Gauge, Histogram

from cluster.machine.monitor import Load
from cluster.planning.stages import DECODER, ENCODER, LM
from deployments.monitoring.stats import RequestStats, StageLoad

SECONDS = [0.01, 0.025, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0]
RATIOS = [0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.85, 1.0, 1.2, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 100.0]
Labels = Any  # a tuple of names; Ray annotates one of a single name
WIDTHS = [1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 32.0, 48.0, 64.0, 96.0, 128.0]


class RequestMetrics:
    """Metrics of an ingress replica: its speech requests, and its cache of encoded references. `tier` is what it plans
    for; a request's own is that of the replica that spoke."""

    def __init__(self, tier: str) -> None:
        self._tier = tier
        labels: Labels = ("device", "tier")
        staged: Labels = ("stage", *labels)
        self._requests = Counter("shoal_requests_total", "Speech requests by HTTP status.", ("status", *labels))
        self._audio = Counter("shoal_audio_seconds_total", "Seconds of audio made.", labels)
        self._wall = Counter("shoal_wall_seconds_total", "Seconds that requests with audio took, each its own.", labels)
        self._frames = Counter("shoal_frames_total", "Frames of codes that finished requests generated.", labels)
        cut_off = "Speech requests with a segment that ended at its limit of frames."
        self._cut_off = Counter("shoal_cut_off_total", cut_off, labels)
        self._ttfa = Histogram("shoal_ttfa_seconds", "Time to the first audio of a request.", SECONDS, labels)
        self._rtf = Histogram("shoal_rtf", "Wall seconds for a second of audio.", RATIOS, labels)
        self._underrun = Histogram(
            "shoal_underrun_seconds",
            "Silence that a listener of a stream hears after its first block.",
            [0.001, *SECONDS],
            labels,
        )
        self._queue = Histogram("shoal_queue_seconds", "Wait for a slot of text-to-semantic.", SECONDS, staged)
        self._stage = Histogram("shoal_stage_seconds", "Time of a request in a stage.", SECONDS, staged)
        self._width = Histogram("shoal_batch_width", "Mean batch width that a request saw in a stage.", WIDTHS, staged)
        self._running = Gauge("shoal_requests_running", "Speech requests under way.", ("tier",))
        self._cache = CacheMetrics("reference", tier)

    def observe(self, stats: RequestStats) -> None:
        """Count one request that is over."""
        origin = stats.origin
        labels = {"device": origin.device, "tier": origin.tier} if origin else {"device": "", "tier": self._tier}
        self._requests.inc(1, {"status": str(stats.status), **labels})
        if stats.reached_limit:
            self._cut_off.inc(1, labels)
        if stats.ttfa_seconds is not None:
            self._ttfa.observe(stats.ttfa_seconds, labels)
        if stats.encode_seconds is not None:
            self._stage.observe(stats.encode_seconds, {"stage": ENCODER, **labels, "device": ""})
        if stats.audio_seconds and stats.wall_seconds:
            self._audio.inc(stats.audio_seconds, labels)
            self._wall.inc(stats.wall_seconds, labels)
        if stats.error is None and stats.rtf is not None:
            self._rtf.observe(stats.rtf, labels)
        if stats.underrun_seconds is not None:
            self._underrun.observe(stats.underrun_seconds, labels)
        for segment in stats.ended:
            finished, lm = segment.generated.finished, {"stage": LM, **labels}
            decoder = {"stage": DECODER, **labels, "device": segment.device}
            if finished.frames:
                self._frames.inc(finished.frames, labels)
            self._queue.observe(finished.queue_seconds, lm)
            self._stage.observe(finished.seconds, lm)
            self._stage.observe(segment.decode_seconds, decoder)
            if finished.batch_width is not None:
                self._width.observe(finished.batch_width, lm)
            if segment.batch_width is not None:
                self._width.observe(segment.batch_width, decoder)

    def tell(self, running: int, hits: int, misses: int) -> None:
        """Requests under way, and what the reference cache has counted so far."""
        self._running.set(running, {"tier": self._tier})
        self._cache.tell(hits, misses)


class CacheMetrics:
    """Counters that follow a cache's own."""

    def __init__(self, cache: str, tier: str) -> None:
        self._tags = {"cache": cache, "tier": tier}
        labels: Labels = ("cache", "tier")
        self._hits = Counter("shoal_cache_hits_total", "Look-ups that found their entry.", labels)
        self._misses = Counter("shoal_cache_misses_total", "Look-ups that did not.", labels)
        self._told = 0, 0

    def tell(self, hits: int, misses: int) -> None:
        """Follow the cache, whose counts run from its start."""
        for counter, now, before in zip((self._hits, self._misses), (hits, misses), self._told, strict=True):
            if now > before:
                counter.inc(now - before, self._tags)
        self._told = hits, misses


class StageMetrics:
    """Metrics of a stage's replica: its slots, its memory, and its machine."""

    def __init__(self, stage: str, device: str, tier: str) -> None:
        self._labels = {"stage": stage, "device": device, "tier": tier}
        self._gauges: dict[str, Gauge] = {}
        self._cache = CacheMetrics("prefix", tier)

    def tell(self, stage: StageLoad, load: Load, rss: int) -> None:
        """Set every gauge whose figure is known."""
        self._set("shoal_slots", "Streams or items that the stage works on at once.", stage.slots)
        self._set("shoal_slots_used", "Slots in use.", stage.slots_used)
        self._set("shoal_waiting", "Streams or items that wait for a slot.", stage.waiting)
        for kind, held in (stage.kv_bytes or {}).items():
            self._set("shoal_kv_bytes", "Memory of cached keys and values in use.", held, kind=kind)
        if stage.cache_hits is not None and stage.cache_misses is not None:
            self._cache.tell(stage.cache_hits, stage.cache_misses)
        self._set("shoal_replica_resident_bytes", "Resident memory of the replica's process.", rss)
        self._set("shoal_cpu_utilization_ratio", "Of all usable cores of the replica's machine.", load.cpu / 100)
        self._set("shoal_ram_utilization_ratio", "Of the machine's or the container's RAM.", load.ram / 100)
        self._set("shoal_ram_available_bytes", "RAM that can be taken.", load.ram_available)
        self._set("shoal_cpu_temperature_celsius", "The CPU's hottest sensor.", load.temperature)
        for gpu in load.gpus:
            busy = None if gpu.utilization is None else gpu.utilization / 100
            others = None if gpu.vram_others is None else gpu.vram_others / 100
            index = str(gpu.index)
            self._set("shoal_gpu_utilization_ratio", "Share of time in which a kernel ran.", busy, gpu=index)
            self._set("shoal_gpu_memory_used_bytes", "VRAM in use by all processes.", gpu.vram_used, gpu=index)
            self._set("shoal_gpu_memory_others_ratio", "Of the VRAM, in use by others.", others, gpu=index)

    def _set(self, name: str, description: str, value: float | None, **extra: str) -> None:
        if value is None:
            return
        if name not in self._gauges:
            labels: Labels = tuple(self._labels | extra)
            self._gauges[name] = Gauge(name, description, labels)
        self._gauges[name].set(value, self._labels | extra)
