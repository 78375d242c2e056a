"""The rate limit: a token bucket for each peer."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

BURST_SECONDS: Final = 4.0
"""A peer that was quiet may send what this many seconds allow at once."""
MAX_PEERS: Final = 1_024


class RateLimit:
    """Says for each peer how long it has to wait. For one thread."""

    def __init__(self, per_second: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._clock = per_second, clock
        self._full = max(1.0, per_second * BURST_SECONDS)
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, peer: str) -> float:
        """Take one token; return 0, or the seconds until there is one."""
        now = self._clock()
        tokens, since = self._buckets.pop(peer, (self._full, now))
        tokens = min(self._full, tokens + (now - since) * self._rate)
        allowed = tokens >= 1
        self._buckets[peer] = (tokens - 1 if allowed else tokens, now)
        if len(self._buckets) > MAX_PEERS:
            self._buckets.popitem(last=False)  # the one that was quiet longest: its bucket is the fullest
        return 0.0 if allowed else (1 - tokens) / self._rate
