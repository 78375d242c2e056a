"""Which candidates are worth ranking: cosine similarity and BM25 fused, each min-max scaled over what was found.

The ranking proper is in `ranking/`. Score fusion, not rank fusion: on a public benchmark reciprocal rank fusion reached
53.7 recall@5 and lost to BM25 alone at rank 1, since it throws the margins away; the weighted sum of scaled scores
reached 63.9.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

DENSE_WEIGHT: Final = 0.5
LEXICAL_WEIGHT: Final = 0.5
MIN_COSINE: Final = 0.1
"""Below it a text has nothing to do with the query: unrelated English texts lie around 0.05 with MiniLM."""


def fuse(dense: Mapping[int, float], lexical: Mapping[int, float]) -> dict[int, float]:
    """Return the candidates of both with their scores in [0, 1], best first.

    Equal scores keep the order of the row numbers.
    """
    relevant = {num: cosine for num, cosine in dense.items() if cosine >= MIN_COSINE or num in lexical}
    fused = _scaled(relevant, DENSE_WEIGHT if lexical else 1.0, min(relevant.values(), default=0.0))
    for num, score in _scaled(lexical, LEXICAL_WEIGHT if relevant else 1.0, 0.0).items():
        fused[num] = fused.get(num, 0.0) + score
    return {num: fused[num] for num in sorted(sorted(fused), key=fused.__getitem__, reverse=True)}


def _scaled(scores: Mapping[int, float], weight: float, low: float) -> dict[int, float]:
    span = max(scores.values(), default=low) - low
    if span <= 0:
        return dict.fromkeys(scores, weight)
    return {num: weight * ((score - low) / span) for num, score in scores.items()}
