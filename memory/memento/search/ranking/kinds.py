"""Kinds of things of which a project uses one: "use pnpm" answers "which package manager do we use?".

Nothing else tells that `pnpm` is a package manager: the two texts share no word, and the cosine of their embeddings is
0.2, as that of unrelated ones. What of these supersedes what is another matter: `alternatives` in retention.yaml.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Final

_KINDS: Final = (
    ("package manager|dependency manager", "npm pnpm yarn bun pip uv poetry pipenv conda pdm cargo nuget composer"),
    ("indent\\w*", "tab tabs space spaces"),
    ("quot(?:es|e style|ing)", "single double backticks"),
    ("database|db|data ?store", "postgres postgresql sqlite mysql mariadb mongodb duckdb dynamodb cassandra"),
    ("test(?:ing)? (?:framework|runner|library)", "pytest unittest jest vitest mocha jasmine ava cypress junit"),
    ("date (?:library|package)", "moment dayjs luxon date-fns temporal pendulum arrow"),
    ("logg(?:er|ing library|ing framework)|log library", "pino winston bunyan log4j logback loguru structlog zap"),
    ("css (?:framework|library)|styling", "tailwind bootstrap bulma sass styled-components emotion"),
    ("linter|linting", "ruff eslint pylint flake8 biome oxlint clippy golangci-lint rubocop"),
    ("(?:code )?formatter|formatting tool", "black ruff prettier biome dprint gofmt rustfmt yapf"),
    ("type ?checker", "mypy pyright ty pyre tsc"),
    ("(?:front ?end|ui|javascript|js) (?:framework|library)", "react vue svelte angular solid htmx preact"),
    ("(?:web|back ?end|server|http) framework", "flask django fastapi starlette express fastify koa nestjs rails"),
    ("(?:message |job |task )?(?:queue|broker)", "kafka rabbitmq redis sqs nats celery sidekiq bullmq"),
    ("cache|caching", "redis memcached valkey"),
    ("ci(?: system| provider| server)?", "jenkins circleci buildkite travis github gitlab"),
    ("cloud(?: provider)?|host(?:er|ing)(?: provider)?", "aws gcp azure hetzner vercel netlify heroku"),
    ("orm", "prisma sqlalchemy drizzle typeorm hibernate sequelize"),
    ("bundler|build (?:tool|system)", "vite webpack rollup esbuild parcel turbopack make bazel cmake gradle maven"),
    ("container (?:engine|runtime|tool)|orchestrator", "docker podman containerd kubernetes nomad"),
    ("state (?:management|library)", "redux zustand mobx jotai pinia"),
    ("api style", "rest graphql grpc trpc"),
    ("licen[cs]e", "mit apache gpl bsd mpl agpl"),
    ("colou?r format", "rgb rgba hex hsl"),
    ("merge strategy|branches merged|merge (?:branches|pull requests|prs)", "rebase squash"),
    ("(?:naming|case|casing) (?:convention|style)|casing", "snake_case camelcase pascalcase kebab-case"),
    ("(?:config(?:uration)?|file) format", "yaml json toml xml ini"),
    ("(?:programming )?language", "python rust go typescript javascript java kotlin swift english german french"),
    ("shell", "bash zsh fish nushell"),
    ("time ?zone", "utc"),
)  # fmt: skip
"""What a question calls a kind, and the best known of it, in lower case."""
_ASKED: Final = re.compile(r"\b(?:which|what|how (?:are|should)|do we|should (?:we|i))\b", re.IGNORECASE)
_NEAR: Final = 50
"""Characters after that in which the kind is named."""
_CHOOSING: Final = re.compile(
    r"\b(?:us(?:e|es|ed|ing)|cho(?:ose|se|sen)|pick\w*|prefer\w*|decid\w*|should|want\w*|our|project|standard|settled?"
    r"|go(?:ing)? with|merged?|in)\b",
    re.IGNORECASE,
)
_WORD: Final = re.compile(r"\w+(?:[.-]\w+)*")
_SEARCHED: Final = 400
"""Characters of a message: a choice is said soon."""


def members(question: str) -> frozenset[str]:
    """Return the best known things of the kinds of which a question asks which one is used."""
    asked = _ASKED.search(question)
    if asked is None or not _CHOOSING.search(question):
        return frozenset()
    named = _kinds().finditer(question, asked.end(), asked.end() + _NEAR)
    return frozenset(word for one in named for word in _KINDS[int((one.lastgroup or "k0")[1:])][1].split())


@cache
def _kinds() -> re.Pattern[str]:
    """Return what finds any kind; the group's name holds its place in _KINDS."""
    names = "|".join(rf"(?P<k{place}>\b(?:{kind})s?\b)" for place, (kind, _) in enumerate(_KINDS))
    return re.compile(names, re.IGNORECASE)


def names_one(text: str, wanted: frozenset[str]) -> bool:
    """Tell whether a text names one of these things."""
    return not wanted.isdisjoint(_WORD.findall(text[:_SEARCHED].lower()))
