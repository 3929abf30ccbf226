"""Which replica of text-to-semantic a call goes to."""

from __future__ import annotations

import random

from ray.serve.request_router import FIFOMixin, MultiplexMixin, PendingRequest, RequestRouter, RunningReplica


class StreamRouter(FIFOMixin, MultiplexMixin, RequestRouter):
    """A call that names a replica as its multiplexed model id goes there: acknowledgements must reach the stream they
    are about. Any other goes to the less busy of two replicas drawn at random, as by Serve's own router.

    The mixins pair a chosen replica with a waiting call by that id, then in order of arrival. The base class alone
    pairs them by the id of the HTTP request, which all segments of a text share: concurrent calls then get lost until
    something else wakes the router (Ray 2.60).
    """

    async def choose_replicas(
        self, candidate_replicas: list[RunningReplica], pending_request: PendingRequest | None = None
    ) -> list[list[RunningReplica]]:
        """Serve's hook: the candidates, in ranks."""
        named = pending_request.metadata.multiplexed_model_id if pending_request else ""
        if chosen := [replica for replica in candidate_replicas if replica.replica_id.unique_id == named]:
            return [chosen]
        return [random.sample(candidate_replicas, min(2, len(candidate_replicas)))]
