"""The routes. `openapi.json` beside this file describes them; a test compares the two."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router
from starlette.types import Receive, Scope, Send

from memento import __version__, briefing
from memento.base.escaping import escape_json
from memento.store import MemoryStore
from memento_ingest.server import events, metrics, parameters
from memento_ingest.server.client import to_wire
from memento_ingest.server.faces import FaceRequest, Faces
from memento_ingest.server.gate import App
from memento_ingest.server.health import Checkup
from memento_ingest.server.refusal import Refusal, unknown
from memento_ingest.server.workers import Workers

QUEUE_SECONDS: Final = 0.25
"""What a recall may wait for a thread beyond its deadline, before it is turned down."""
PATHS: Final = (
    "/v1/events", "/v1/recall", "/v1/instructions", "/v1/brief", "/v1/remember", "/v1/stats", "/v1/store", "/v1/pulse",
    "/health", "/metrics", "/openapi.json",
)  # fmt: skip


@dataclass(slots=True)
class Routes:
    """What the routes work with."""

    store: MemoryStore
    workers: Workers
    checkup: Checkup
    requests: metrics.Requests
    written: Callable[[], None]
    """Called after a memory was written: it is to be embedded."""
    faces: Faces

    def app(self) -> App:
        """Return the ASGI application. What it cannot serve it raises as Refusal or MementoError."""
        router = Router(redirect_slashes=False)
        router.routes = [
            Route("/v1/events", self.events, methods=["POST"]),
            Route("/v1/recall", self.recall, methods=["GET"]),
            Route("/v1/instructions", self.instructions, methods=["GET"]),
            Route("/v1/brief", self.brief, methods=["GET"]),
            Route("/v1/remember", self.remember, methods=["POST"]),
            Route("/v1/stats", self.stats, methods=["GET"]),
            Route("/v1/store", self.whose, methods=["GET"]),
            Route("/v1/pulse", self.pulse, methods=["GET"]),
            Route("/health", self.health, methods=["GET"]),
            Route("/metrics", self.metrics, methods=["GET"]),
            Route("/openapi.json", self.openapi, methods=["GET"]),
            *(Route(path, self.face, methods=["POST"]) for path in self.faces),
        ]

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            scope["app"] = router  # so that it raises what it does not know instead of answering in its own way
            try:
                await router(scope, receive, send)
            except HTTPException as error:
                raise _no_route(scope, error) from None

        return app

    async def events(self, request: Request) -> Response:
        """Keep hook events; answered when they are on the disk."""
        given = parameters.query(request.scope["query_string"], ("agent",))
        many = request.headers["content-type"].lower().startswith("application/x-ndjson")
        body = await request.body()
        agent, home = given.get("agent", [""])[0], self.store.config.home
        count = await self.workers.call(lambda: events.keep(body, many, agent, home))
        self.requests.events += count
        return _json({"accepted": count}, 202)

    async def recall(self, request: Request) -> Response:
        """Answer a query."""
        asked = parameters.asked(request.scope["query_string"])
        settings = self.store.config.settings.recall
        deadline = settings.deadline_seconds if asked.deadline is None else asked.deadline
        loop = asyncio.get_running_loop()
        until = loop.time() + deadline

        def answer() -> bytes:
            left = max(0.0, until - loop.time())
            seconds = deadline if deadline - left < QUEUE_SECONDS else left
            found = self.store.recall(asked.query, asked.limit, deadline=seconds, **asked.options)
            return _encoded(to_wire(found))

        content = await self.workers.call(answer)
        self.requests.recalled(loop.time() - until + deadline)
        return _json_bytes(content)

    async def instructions(self, request: Request) -> Response:
        """Return the standing instructions that hold."""
        asked = parameters.instructions(request.scope["query_string"])

        def answer() -> bytes:
            return _encoded([one.as_dict() for one in self.store.instructions(asked.project, limit=asked.limit)])

        return _json_bytes(await self.workers.call(answer))

    async def brief(self, request: Request) -> Response:
        """Return what was decided and left open in a project, or said of a file."""
        asked = parameters.brief(request.scope["query_string"])

        def answer() -> bytes:
            database = self.store.database
            if asked.file:
                found = briefing.of_file(database, asked.file, asked.session, asked.limit)
            else:
                found = briefing.of_project(database, asked.project, asked.session, asked.limit)
            notes = [text for text in (briefing.restored(database),) if text]
            return _encoded({"notes": notes, "noted": [one.as_dict() for one in found]})

        return _json_bytes(await self.workers.call(answer))

    async def remember(self, request: Request) -> Response:
        """Keep a text; answered when it is on the disk."""
        parameters.query(request.scope["query_string"], ())
        asked = parameters.remembered(await request.body())

        def keep() -> str:
            return self.store.remember(
                asked.text,
                session_id=asked.session_id,
                role=asked.role,
                speaker=asked.speaker,
                importance=asked.importance,
                tags=asked.tags,
                collection=asked.collection,
                timestamp=asked.timestamp,
                project=asked.project,
                meta=asked.meta,
                embed=False,
            )

        memory = await self.workers.call(keep)
        self.written()
        return _json({"id": memory}, 201)

    async def stats(self, request: Request) -> Response:
        """Return figures over the store."""
        parameters.query(request.scope["query_string"], ())
        return _json((await self.workers.call(self.store.stats)).as_dict())

    async def whose(self, request: Request) -> Response:
        """Say which database this server serves; `memento recall` asks before it tells the query."""
        parameters.query(request.scope["query_string"], ())
        return _json({"database": str(self.store.path.resolve()), "version": __version__})

    async def pulse(self, request: Request) -> Response:
        """Say when a memory was stored last; a status line asks every few seconds."""
        parameters.query(request.scope["query_string"], ())
        return _json({"stored": await self.workers.call(lambda: briefing.last_stored(self.store.database))})

    async def health(self, request: Request) -> Response:
        """Say how the sidecar does, by outcomes."""
        parameters.query(request.scope["query_string"], ())
        return _json((await self.workers.call(self.checkup)).as_dict())

    async def metrics(self, request: Request) -> Response:
        """Return figures for Prometheus."""
        parameters.query(request.scope["query_string"], ())
        health = await self.workers.call(self.checkup)
        return Response(metrics.text(health, self.requests), media_type=metrics.CONTENT_TYPE, headers=_NO_STORE)

    async def openapi(self, request: Request) -> Response:
        """Return the description of these routes."""
        parameters.query(request.scope["query_string"], ())
        return _json_bytes(files(__package__).joinpath("openapi.json").read_bytes())

    async def face(self, request: Request) -> Response:
        """Answer in the protocol of a face."""
        parameters.query(request.scope["query_string"], ())
        answer, body = self.faces[request.url.path], await request.body()
        asked = FaceRequest(self.store, self.written, request.headers.items(), body)
        status, content = await self.workers.call(lambda: answer(asked))
        return _json_bytes(content, status) if content else Response(status_code=status, headers=_NO_STORE)


_NO_STORE: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


def _no_route(scope: Scope, error: HTTPException) -> Refusal:
    if error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "")
        return Refusal(405, f"{scope['method'][:20]} is not for {scope['path']}", f"use {allowed}", error.headers)
    refusal = unknown("path", scope["path"], PATHS)
    return Refusal(404, refusal.error, refusal.remedy)


def _encoded(value: Any) -> bytes:
    return escape_json(json.dumps(value, separators=(",", ":"))).encode("ascii")


def _json(value: Any, status: int = 200) -> Response:
    return _json_bytes(_encoded(value), status)


def _json_bytes(content: bytes, status: int = 200) -> Response:
    return Response(content, status, media_type="application/json", headers=_NO_STORE)
