"""The optional native engine, `memento_native`: is it installed, does it work, and what does it run on.

Invariant: a demanded engine (`MEMENTO_RUST=1`, `rust: true`) is used, or an error states why not. Otherwise it is used
if it works, else the Python engine is; `describe` says why.
"""

from __future__ import annotations

import importlib.util
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from memento.errors import ConfigError

if TYPE_CHECKING:
    from types import ModuleType

INTERFACE: Final = "2"
"""Increased together with the constant in engine_native when a signature or its meaning changes."""
_LIBRARIES = {"darwin": "libonnxruntime*.dylib", "win32": "onnxruntime.dll"}


class NativeEngine(NamedTuple):
    """The state of the native engine on this machine."""

    version: str
    """Of `memento_native`; empty when it is not installed."""
    simd: str
    """The vector instructions it uses: `avx512`, `avx2`, `neon` or `portable`."""
    runtime: str
    """The shared library of ONNX Runtime; empty when none is found."""
    runtime_build: str
    """What that library says of its build."""
    problem: str
    """Why the engine cannot be used; empty when it can."""


def native_module(rust: bool | None) -> ModuleType | None:
    """Return `memento_native`; None if it is refused (`rust` False), or unusable and not demanded (None).

    Raises ConfigError with the reason if it is demanded (True) and unusable.
    """
    if rust is False:
        return None
    module, problem = _load_module()
    if module is None and rust:
        remedy = "run `make native`, or leave `rust` and `recall.index` to choose (MEMENTO_RUST=0)"
        raise ConfigError(f"the native engine is demanded, but {problem}: {remedy}")
    return module


def runtime_library() -> Path | None:
    """Return the shared library of the installed `onnxruntime` package, without importing it."""
    spec = importlib.util.find_spec("onnxruntime")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        for path in sorted(Path(folder, "capi").glob(_LIBRARIES.get(sys.platform, "libonnxruntime.so*"))):
            return path
    return None


def describe() -> NativeEngine:
    """Return the state of the native engine, after trying to load ONNX Runtime."""
    module, problem = _load_module()
    library = runtime_library()
    if module is None:
        return NativeEngine("", "", str(library or ""), "", problem)
    about, build = module.describe(), ""
    if library is None:
        problem = "the onnxruntime package is not installed"
    else:
        try:
            build = module.load_runtime(library)
        except module.NativeError as error:
            problem = str(error)
    return NativeEngine(about["version"], about["simd"], str(library or ""), build, problem)


@cache
def _load_module() -> tuple[ModuleType | None, str]:
    """Return the module, or None and the reason."""
    from memento import __version__

    try:
        import memento_native
    except ImportError as error:
        missing = isinstance(error, ModuleNotFoundError) and error.name == "memento_native"
        return None, "memento_native is not installed" if missing else f"memento_native cannot be imported ({error})"
    about = memento_native.describe()
    if about["version"] != __version__:
        return None, f"memento_native is of version {about['version']} and Memento of version {__version__}"
    if about.get("interface") != INTERFACE:
        return None, "memento_native was built before this Memento"
    return memento_native, ""
