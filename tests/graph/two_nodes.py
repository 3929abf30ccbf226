"""A graph over two nodes, one of which is killed under load and comes back. Run as a process of its own, it prints what
it saw as JSON: `python -m tests.graph.two_nodes CHECKPOINT VOICES`"""

from __future__ import annotations

import json
import os
import sys
import threading
import time

os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled", "SHOAL_API_KEYS": ""}

import httpx
import ray
from ray import serve
from ray.cluster_utils import Cluster

from cluster import nodes
from deployments.app import build
from tests.graph.server import eventually, free_port

MEMORY = 80 * 2**20
STREAMS = 8
ENDLESS = {"temperature": 0.1, "max_new_tokens": 1200, "sample_rate": 48_000}
# Generating takes all of the second node. What every request needs has its place on the first: the decoder fits only
# there, and each node has an ingress.
STAGES = {
    "text_to_semantic": {"num_cpus": 1.8, "min_replicas": 2, "initial_replicas": 2, "max_replicas": 2},
    "vq_decoder": {"num_cpus": 3.05, "max_replicas": 1},
    "reference_encoder": {"num_cpus": 0.1, "max_replicas": 1},
}


def main(checkpoint: str, voices: str) -> dict:
    dashboard = free_port()
    first = {"num_cpus": 5, "object_store_memory": MEMORY, "dashboard_port": dashboard}
    cluster = Cluster(initialize_head=True, head_node_args=first | {"include_dashboard": True})
    second = cluster.add_node(num_cpus=3, object_store_memory=MEMORY)
    ray.init(address=cluster.address, log_to_driver=False)
    port = free_port()
    serve.start(proxy_location="HeadOnly", http_options={"host": "127.0.0.1", "port": port})
    stages = {name: {"threads": 1, **given} for name, given in STAGES.items()}
    args = {"checkpoint": checkpoint, "voices": voices, "stages": stages, "ingress_replicas": 2}
    serve.run(build(args), name="shoal", route_prefix="/")
    applications = f"http://127.0.0.1:{dashboard}/api/serve/applications/"

    def places(deployment: str) -> list[str]:
        found = httpx.get(applications, timeout=10).json()["applications"]["shoal"]["deployments"][deployment]
        return [replica["node_id"] for replica in found["replicas"] if replica["state"] == "RUNNING"]

    seen = {"nodes": len(nodes.profiles()), "before": places("TextToSemantic"), "ingress": places("Ingress")}
    url = f"http://127.0.0.1:{port}/v1/tts"
    begun, loss, ends = threading.Barrier(STREAMS + 1), threading.Event(), []

    def listen(seed: int) -> None:
        """One segment, that one replica of text-to-semantic speaks: more bytes than any buffer on the way holds, so
        that it is still being spoken when the node goes."""
        text = "(laughing) " * 4 + "The shoal turns."  # laughs may take long: the text bounds an utterance
        body = {"text": text, "streaming": True, "seed": seed, "format": "pcm"} | ENDLESS
        try:
            with httpx.stream("POST", url, json=body, timeout=60) as response:
                parts = response.iter_raw()
                next(parts)
                begun.wait(60)
                loss.wait(60)
                samples = sum(len(part) for part in parts)
                ends.append("whole" if samples else "empty")
        except httpx.RemoteProtocolError:
            ends.append("broken off")

    listeners = [threading.Thread(target=listen, args=(seed,)) for seed in range(STREAMS)]
    for listener in listeners:
        listener.start()
    begun.wait(60)
    cluster.remove_node(second, allow_graceful=False)
    killed = time.monotonic()
    loss.set()
    answers = []
    while len(answers) < 10 or any(listener.is_alive() for listener in listeners):
        began = time.monotonic()
        answer = httpx.post(url, json={"text": "Hello.", "max_new_tokens": 10, "seed": 1}, timeout=60)
        answers.append((answer.status_code, answer.text if answer.is_error else "", time.monotonic() - began))
    seen |= {"streams": sorted(ends), "answers": answers, "seconds": time.monotonic() - killed}
    cluster.add_node(num_cpus=3, object_store_memory=MEMORY)
    # Until a health check fails, Serve counts the lost replica as one that runs.
    seen["back"] = eventually(lambda: places("TextToSemantic"), lambda now: set(now) - set(seen["before"]), within=60)
    seen["last"] = httpx.post(url, json={"text": "Hello.", "max_new_tokens": 10}, timeout=60).status_code
    serve.shutdown()
    ray.shutdown()
    cluster.shutdown()
    return seen


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
