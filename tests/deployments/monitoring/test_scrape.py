"""Joining what Ray's agents export, on texts as they write them."""

from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families

from deployments.monitoring import scrape
from deployments.monitoring.scrape import Scraper, join
from models.types import NotReady

COMMON = (
    'Component="core_worker",SessionName="s",Version="2.60.0",WorkerId="ab",otel_scope_name="x",otel_scope_version=""'
)


def agent(node: str, application: str = "shoal", count: int = 4) -> str:
    labels = f'{{{COMMON},NodeAddress="{node}",application="{application}",deployment="Ingress",replica="r-{node}"'
    return "\n".join(
        [
            "# HELP ray_other_total Not ours.",
            "# TYPE ray_other_total counter",
            "ray_other_total 7.0",
            "# HELP ray_shoal_requests_total Speech requests.",
            "# TYPE ray_shoal_requests_total counter",
            f'ray_shoal_requests_total{labels},status="200"}} {count}.0',
            "# HELP ray_shoal_rtf Wall seconds.",
            "# TYPE ray_shoal_rtf histogram",
            f'ray_shoal_rtf_bucket{labels},le="1.0"}} {count}.0',
            f'ray_shoal_rtf_bucket{labels},le="+Inf"}} {count}.0',
            f"ray_shoal_rtf_count{labels}}} {count}.0",
            f"ray_shoal_rtf_sum{labels}}} 2.0",
        ]
    )


def test_nodes_are_joined_under_our_own_names() -> None:
    text = join([agent("a"), agent("b"), "# EOF\n"], "shoal").decode()
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert families.keys() == {"shoal_requests", "shoal_rtf"}
    assert text.count("# TYPE shoal_rtf histogram") == 1
    requests = families["shoal_requests"].samples
    assert [sample.labels for sample in requests] == [
        {"application": "shoal", "node": node, "replica": f"r-{node}", "status": "200"} for node in "ab"
    ]
    assert sum(sample.value for sample in requests) == 8


def test_other_applications_are_left_out() -> None:
    assert join([agent("a", application="other")], "shoal") == b""
    text = join([agent("a") + "\n" + agent("b", application="other")], "shoal").decode()
    assert 'replica="r-a"' in text and 'replica="r-b"' not in text


async def test_an_agent_that_is_silent_is_left_out(monkeypatch: pytest.MonkeyPatch, caplog) -> None:
    monkeypatch.setattr(scrape, "_agents", lambda: ["http://127.0.0.1:9/metrics"])
    with pytest.raises(NotReady, match="agent"):
        await Scraper("shoal").text()
    assert "did not answer" in caplog.text
