"""Switches off what libraries report to their makers: Memento promises that nothing leaves the machine.

The official wheels of ONNX Runtime upload events on Linux, macOS and Windows since 1.29, and write an identifier of the
machine to the user's cache folder; `ORT_DISABLE_TELEMETRY`, set before the library is loaded, prevents both
(https://github.com/microsoft/onnxruntime/blob/main/docs/Privacy.md). huggingface_hub has a switch of the same kind
(https://huggingface.co/docs/huggingface_hub/package_reference/environment_variables).
"""

from __future__ import annotations

import os
from typing import Final

SWITCHES: Final = ("ORT_DISABLE_TELEMETRY", "HF_HUB_DISABLE_TELEMETRY")


def disable_telemetry() -> None:
    """Set the switches for this process and those that it starts. Call it before such a library is imported."""
    for name in SWITCHES:
        os.environ[name] = "1"
