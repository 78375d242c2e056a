"""A skipped test is one that did not run: in CI (`CI=1`) it fails, unless its reason is listed here.

A reason is listed with what must be true of the machine for it to count, so that a build of the native engine that
broke, say, cannot hide behind "the native engine is not built".
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable, Generator
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import pytest

_ROOT: Final = hasattr(os, "geteuid") and os.geteuid() == 0
_LINUX: Final = sys.platform == "linux"

ALLOWED: Final[dict[str, Callable[[], bool]]] = {
    # The native engine needs a Rust toolchain; the Python engine is the reference and is always tested.
    r"memento_native": lambda: shutil.which("cargo") is None and find_spec("memento_native") is None,
    # hnswlib comes without wheels: it is tested where its source compiles.
    r"hnswlib": lambda: find_spec("hnswlib") is None,
    # The extra [torch] is 2 GB; with it, the test of the message about its absence cannot run.
    r"could not import 'sentence_transformers'|the extra \[torch\] is not installed": lambda: (
        find_spec("sentence_transformers") is None
    ),
    r"the extra is installed": lambda: find_spec("sentence_transformers") is not None,
    # An unpacked source distribution has no list of tracked files to compare itself with.
    r"only a git checkout": lambda: not (Path(__file__).resolve().parents[1] / ".git").exists(),
    # Permissions do not bind root, and only root can become somebody else.
    r"root may write everywhere": lambda: _ROOT,
    r"only root can become somebody else|needs root to become somebody": lambda: not _ROOT,
    # /proc and inotify are Linux's.
    r"/proc|inotify|only Linux|as Linux does": lambda: not _LINUX,
}
"""Patterns of the reasons that may be given, and when each may be."""


def is_allowed(reason: str) -> bool:
    """Tell whether a test may be skipped for this reason on this machine."""
    return any(re.search(pattern, reason) and holds() for pattern, holds in ALLOWED.items())


def _fail_where_unexpected(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Turn a skip into a failure in CI, unless its reason is listed."""
    if not os.environ.get("CI") or report.outcome != "skipped" or hasattr(report, "wasxfail"):
        return
    reason = str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr)
    if not is_allowed(reason):
        report.outcome = "failed"
        report.longrepr = (
            f"unexpected skip: {reason}\nA reason that may be given in CI is listed in tests/skip_guard.py."
        )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Look at each test's report."""
    report = yield
    _fail_where_unexpected(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Look at modules that are skipped whole."""
    report = yield
    _fail_where_unexpected(report)
    return report
