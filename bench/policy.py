"""Measure the policy stage on one core: messages per second of `decide`, microseconds per 2 KB of `redact`.

Run `python bench/policy.py --help` for the options. Texts are generated from a seed, so a run can be repeated.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable, Iterable

from memento_policies import Message, Policy, Role, load_policy
from memento_policies.before import OPENING, after

PROSE = (
    "the retry loop in the ingest worker reads one batch at a time and commits it with its offset so that a crash "
    "never loses a line we decided to keep the queue small because the disk was the bottleneck yesterday Melanie said "
    "the support group helped her a lot should we use Postgres or stay with SQLite for now please run the tests again "
    "before the release on Friday it failed with a timeout in store.py and I fixed it by raising the limit to 30 s"
).split()
CODE = "def feed(self, line: Line) -> Iterable[Span]:\n    if line.offset != self.offset:\n        return ()\n"
ROLES: tuple[Role, ...] = ("user", "assistant", "assistant", "tool")


def text(rng: random.Random, chars: int) -> str:
    """Return `chars` characters of prose with some code in it."""
    parts: list[str] = []
    size = 0
    while size < chars:
        parts.append(CODE if rng.random() < 0.02 else rng.choice(PROSE) + rng.choice((" ",) * 9 + (". ",)))
        size += len(parts[-1])
    return "".join(parts)[:chars]


def messages(rng: random.Random, count: int) -> list[Message]:
    """Return messages of 300 to 600 characters in the roles' usual proportions."""
    return [Message(rng.choice(ROLES), text(rng, rng.randint(300, 600)), 0, "bench", "s", str(n)) for n in range(count)]


def hear(policy: Policy, messages: Iterable[Message]) -> None:
    """Judge messages as one session of people, each with what was said before it."""
    before = OPENING
    for one in messages:
        policy.decide(Message("user", one.text, 0, "bench", "s", one.key, meta={"speaker": "Ana"}, before=before))
        before = after(before, one.text, "Ana")


def best(repeat: int, run: Callable[[], object]) -> float:
    """Return the least CPU time in seconds of `repeat` runs."""
    times = []
    for _ in range(repeat):
        started = time.process_time()
        run()
        times.append(time.process_time() - started)
    return min(times)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=5000)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    rng = random.Random(options.seed)

    load = best(options.repeat, load_policy)
    policy = load_policy()
    judged = messages(rng, options.messages)
    decide = best(options.repeat, lambda: [policy.decide(message) for message in judged])
    texts = [text(rng, 2048) for _ in range(options.messages // 5)]
    clean = [part for part in texts if not policy.redact(part).counts]
    redact = best(options.repeat, lambda: [policy.redact(part) for part in clean])
    huge = Message("tool", text(rng, 1 << 20), 0, "bench", "s", "huge")
    long = best(options.repeat, lambda: policy.decide(huge))

    kept = sum(policy.decide(message).keep for message in judged)
    print(f"seed {options.seed}, best of {options.repeat}, one core")
    print(f"{'load_policy':36}{load * 1e3:12.1f} ms")
    print(f"{'decide, 300-600 characters':36}{len(judged) / decide:12,.0f} messages/s ({kept / len(judged):.0%} kept)")
    between = best(options.repeat, lambda: hear(policy, judged))
    print(f"{'decide, between people':36}{len(judged) / between:12,.0f} messages/s")
    print(f"{'redact, 2 KB without a hit':36}{redact / len(clean) * 1e6:12.1f} us ({len(clean)} texts)")
    print(f"{'decide, 1 MB':36}{long * 1e3:12.1f} ms")


if __name__ == "__main__":
    main()
