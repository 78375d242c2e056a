"""Measure how well standing instructions are recognised: the share of gold turns, and hits elsewhere to read by eye.

Run `python bench/eval_instructions.py PATH...` on benchmarks that `datasets.py` reads. Gold are the user's turns behind
questions about instructions and preferences. Some of them only go on from one ("hmm, can you show me an example?"), so
that not all can be found: `--misses` prints those that were not, `--sample N` so many hits that are no gold.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from memento.memory import INSTRUCTION
from memento_policies import Message, Policy, load_policy

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from bench.datasets import Turn, benchmark, load

KINDS: Final = ("instruction_following", "preference_following", "single-session-preference")
_SHOWN: Final = 200


def told(policy: Policy, turn: Turn) -> bool:
    """Tell whether a turn of a user is taken for an instruction."""
    message = Message("user", turn.text, turn.timestamp, "bench", turn.session, turn.id)
    return INSTRUCTION in policy.decide(message).tags


def show(policy: Policy, turns: Sequence[Turn]) -> None:
    """Print turns by what instructs in them."""
    for turn in turns:
        said = " ".join(policy.sentences(turn.text, INSTRUCTION)) or turn.text
        print(f"  {turn.id}: {' '.join(said.split())[:_SHOWN]}")


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("paths", nargs="+", type=benchmark, metavar="PATH")
    parser.add_argument("--misses", action="store_true", help="print the gold turns that were not recognised")
    parser.add_argument("--sample", type=int, default=0, metavar="N", help="print so many hits that are no gold")
    options = parser.parse_args()
    policy = load_policy()
    found, gold, others, turns = Counter[str](), Counter[str](), dict[str, Turn](), 0
    missed: list[Turn] = []
    seen: set[str] = set()
    for path in options.paths:
        for conversation in load(path):
            kinds = {name: asked.kind for asked in conversation.questions if asked.kind in KINDS for name in asked.gold}
            for turn in conversation.turns:
                if turn.role != "user" or turn.text in seen:
                    continue
                seen.add(turn.text)
                turns, hit = turns + 1, told(policy, turn)
                if kind := kinds.get(turn.id):
                    gold[kind] += 1
                    found[kind] += hit
                    missed += [] if hit else [turn]
                elif hit:
                    others[turn.text] = turn
    for kind in gold:
        print(f"{kind:<28} {found[kind]:>4} of {gold[kind]:>4} gold turns")
    print(f"{'other turns of users':<28} {len(others):>4} of {turns - gold.total():>4}")
    if options.misses:
        show(policy, missed)
    show(policy, random.Random(1).sample(list(others.values()), min(options.sample, len(others))))


if __name__ == "__main__":
    main()
