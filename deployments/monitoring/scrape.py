"""GET /metrics: what Ray's agents on all nodes hold of this application, under our own names.

Every replica, of the ingress too, reports to the agent of its node, some seconds late
(RAY_metrics_report_interval_ms, 10 s by default). The agents' answers are joined here, so that any ingress replica
answers for the whole graph.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from urllib.request import ProxyHandler, build_opener

import ray
from prometheus_client import Metric, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from deployments.monitoring.shared_answer import SharedAnswer
from models.types import NotReady

log = logging.getLogger(__name__)

ASK_EVERY = 1.0  # seconds; an agent takes a tenth of a second to write all that it has
ANSWER_WITHIN = 3.0  # seconds, of an agent
SCRAPED_WITHIN = 8.0  # seconds, of all of it; Prometheus gives up after 10
PREFIX = "ray_"  # Ray's, before every name
OURS = tuple(f"{start}{PREFIX}shoal_" for start in ("", "# HELP ", "# TYPE "))
# Labels that Ray and OpenTelemetry add to every series, and that tell nothing beside `replica`.
NOISE = {"Component", "SessionName", "Version", "WorkerId", "deployment"}

_opener = build_opener(ProxyHandler({}))  # agents are neighbours: never through a proxy


class Scraper:
    """The metrics of one application."""

    def __init__(self, application: str) -> None:
        self._application = application
        self._text = SharedAnswer(self._scrape, ASK_EVERY, SCRAPED_WITHIN)

    async def text(self) -> bytes:
        """In Prometheus's text format. Raises NotReady when no agent answers, or Ray does not say where they are."""
        try:
            return await self._text.get()
        except TimeoutError:
            raise NotReady("Ray does not answer: the cluster's head may be restarting.") from None

    async def _scrape(self) -> bytes:
        answers = await asyncio.gather(*map(_ask, await asyncio.to_thread(_agents)))
        texts = [answer for answer in answers if answer is not None]
        if not texts:
            raise NotReady("No metrics agent of Ray answers: is ray[default] installed, and metrics collection on?")
        return await asyncio.to_thread(join, texts, self._application)


def _agents() -> list[str]:
    """Addresses of the agents of all alive nodes; a port that is not positive means that there is none."""
    nodes = [node for node in ray.nodes() if node["Alive"] and node["MetricsExportPort"] > 0]
    hosts = [(node["NodeManagerAddress"], node["MetricsExportPort"]) for node in nodes]
    return [
        f"http://[{host}]:{port}/metrics" if ":" in host else f"http://{host}:{port}/metrics" for host, port in hosts
    ]


async def _ask(address: str) -> str | None:
    def get() -> str:
        with _opener.open(address, timeout=ANSWER_WITHIN) as answer:
            text: str = answer.read().decode()
            return text

    try:
        return await asyncio.to_thread(get)
    except OSError as error:
        log.warning("the metrics agent at %s did not answer: %s", address, error)
        return None


def join(texts: Iterable[str], application: str) -> bytes:
    """The exports of several agents about one application, as one document with each metric once (pure)."""
    families: dict[str, Metric] = {}
    for text in texts:
        ours = "\n".join(line for line in text.splitlines() if line.startswith(OURS)) + "\n"
        for found in text_string_to_metric_families(ours):
            name = found.name.removeprefix(PREFIX)
            family = families.setdefault(name, Metric(name, found.documentation, found.type))
            for sample in found.samples:
                if sample.labels.get("application") == application:
                    labels = {_renamed(k): v for k, v in sample.labels.items() if k not in NOISE and "otel_" not in k}
                    family.add_sample(sample.name.removeprefix(PREFIX), labels, sample.value)
    return generate_latest(_Joined([family for _, family in sorted(families.items()) if family.samples]))


def _renamed(label: str) -> str:
    return "node" if label == "NodeAddress" else label


class _Joined:
    """A collector, as prometheus_client writes it out: anything with `collect`."""

    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> list[Metric]:
        return self._families
