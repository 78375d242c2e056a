"""Where the calls of a stdio server are answered: by the running sidecar, else by a store of this process.

The sidecar is asked first, so that a machine has one model in memory and not one for each agent. Where none runs it is
started, if the settings allow it. Nothing of this is imported before the first call.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, Final

from memento_app.mcp.protocol import INTERNAL_ERROR, PROJECT_KEY, ZONE_KEY, Refused

if TYPE_CHECKING:
    import subprocess

    from memento.config import Config
    from memento_app.mcp.calls import Calls

START_SECONDS: Final = 5.0
"""How long the first call waits for a sidecar that was started for it."""
AGAIN_SECONDS: Final = 60.0
"""How long after a start that failed the next one is tried."""
WRITE_SECONDS: Final = 45.0
"""A little more than the sidecar's server gives a request."""
READ_SECONDS: Final = 15.0
"""Three times the deadline of a recall; then the store is read here."""
_LOOK_SECONDS: Final = 0.05
_MAX_LOG: Final = 1024 * 1024


class Backend:
    """Answers requests as `protocol.Serve` says; for several threads."""

    def __init__(self, db: str | None = None, start: bool | None = None) -> None:
        """Serve this store; `start` says whether a sidecar may be started, the settings unless given."""
        self._db, self._start = db, start
        self._lock = threading.Lock()
        self._config: Config | None = None
        self._calls: Calls | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._next_start = 0.0

    def serve(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        """Answer a request. Raises Refused, and MementoError for settings or a store that cannot be used."""
        from memento.base.times import process_zone
        from memento_ingest.server.client import Unanswered

        meta = params.get("_meta")
        said = {key: value for key, value in meta.items() if "/" not in key} if isinstance(meta, dict) else {}
        asked = {**params, "_meta": {**said, ZONE_KEY: process_zone(), PROJECT_KEY: _project()}}
        config = self._settings()
        try:
            found = self._from_sidecar(config, method, asked)
            if found is None and self._may_start_sidecar(config):
                found = self._from_started(config, method, asked)
        except Unanswered as unanswered:
            if not _writes(method, params):
                found = None
            else:  # it may be done all the same, and is not to be done twice
                found = {"content": [{"type": "text", "text": str(unanswered)}], "isError": True}
        return self._alone(config).serve(method, asked) if found is None else found

    def _settings(self) -> Config:
        """Return the settings in force. Raises ConfigError."""
        from memento.config import load_config

        with self._lock:
            if self._config is None:
                self._config = load_config({"storage.db_path": self._db})
            return self._config

    def _from_sidecar(self, config: Config, method: str, params: dict[str, Any]) -> dict[str, Any] | None:
        """Return the sidecar's answer; None where there is no sidecar. Raises Refused, Unanswered."""
        import json

        from memento_ingest.server.client import exchange

        body = json.dumps({"jsonrpc": "2.0", "id": 0, "method": method, "params": params}).encode("ascii")
        answer = exchange(config.db_path, "/mcp", body, WRITE_SECONDS if _writes(method, params) else READ_SECONDS)
        if not isinstance(answer, dict):
            return None
        if failed := answer.get("error"):
            raise Refused(failed.get("code", INTERNAL_ERROR), failed.get("message", ""), failed.get("data"))
        return answer.get("result")

    def _alone(self, config: Config) -> Calls:
        """Return what answers from a store of this process, which is opened by the first call that needs it."""
        from memento.store import MemoryStore
        from memento_app.mcp.calls import Calls

        with self._lock:
            if self._calls is None:
                self._calls = Calls(MemoryStore(config=config))
            return self._calls

    def _may_start_sidecar(self, config: Config) -> bool:
        """Tell whether to start one: not where a store is open here already, and its model perhaps loaded."""
        return self._calls is None and (config.settings.mcp.start_sidecar if self._start is None else self._start)

    def _from_started(self, config: Config, method: str, params: dict[str, Any]) -> dict[str, Any] | None:
        """Start a sidecar, unless that was done, and return its answer; None where it gives none in time."""
        from memento_ingest.sidecar.lock import holder

        with self._lock:
            if self._process is None or self._process.poll() is not None:
                if time.monotonic() < self._next_start:
                    return None
                self._next_start = time.monotonic() + AGAIN_SECONDS
                self._process = _started(config)
            process = self._process
        until = time.monotonic() + START_SECONDS
        while process is not None and time.monotonic() < until:
            if (found := self._from_sidecar(config, method, params)) is not None:
                return found
            if process.poll() is not None and holder(config.db_path) is None:
                return None  # it cannot run, and no other one is about to serve
            time.sleep(_LOOK_SECONDS)
        return None


def _writes(method: str, params: dict[str, Any]) -> bool:
    return method == "tools/call" and params.get("name") in ("remember", "forget")


def _started(config: Config) -> subprocess.Popen[bytes] | None:
    """Start `memento watch` so that it outlives this process; None where that cannot be done.

    It runs in Memento's folder, so as not to hold the agent's, and is told every place by its whole path. `-P` keeps
    Python from importing what lies in a folder of that name.
    """
    import subprocess

    from memento.base.durable import make_private_folder

    log = config.home / "sidecar.log"
    command = [sys.executable, "-P", "-m", "memento_app", "watch", "--db", str(config.db_path.absolute())]
    places = {"MEMENTO_HOME": str(config.home.absolute()), "MEMENTO_MODEL_DIR": str(config.model_dir.absolute())}
    environment = {name: places.get(name, value) for name, value in os.environ.items()}
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        make_private_folder(config.home)
        if log.exists() and log.stat().st_size > _MAX_LOG:
            log.unlink()
        with os.fdopen(os.open(log, flags, 0o600), "ab") as out:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                cwd=config.home,
                env=environment,
                start_new_session=True,
            )
    except OSError:
        return None


def _project() -> str:
    """Return the folder that the agent works in; empty where this process was not started in one."""
    from pathlib import Path

    from memento.base.home import user_home

    try:
        folder = Path.cwd()
        return "" if folder in (Path("/"), user_home()) else str(folder)
    except (OSError, RuntimeError, ValueError):
        return ""
