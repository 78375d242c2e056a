"""schemathesis sends what the OpenAPI document allows, and what it does not, to the running server."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable

if TYPE_CHECKING:
    from tests.server.conftest import Server

with warnings.catch_warnings():  # what its own dependencies say on import is not about us
    warnings.simplefilter("ignore")
    schemathesis: Any = pytest.importorskip("schemathesis")

EXAMPLES = 15
"""For each operation and mode."""


@pytest.mark.parametrize("mode", ["positive", "negative"])
def test_every_operation_answers_as_described(running: Server, mode: str) -> None:
    schema = schemathesis.openapi.from_dict(running.get("/openapi.json").json)
    address = f"http://127.0.0.1:{running.port}"
    headers = {"Authorization": f"Bearer {running.token}"}
    asked = sum(_fuzz(found.ok(), mode, address, headers) for found in schema.get_all_operations())
    assert asked > EXAMPLES
    assert "Traceback" not in running.said()
    assert " failed: " not in running.said()


def _fuzz(operation: Any, mode: str, address: str, headers: dict[str, str]) -> int:
    """Send examples of one kind to one operation; return how many."""
    described = operation.definition.raw["responses"]
    asked = 0

    def ask(case: Any) -> None:
        nonlocal asked
        answer = case.call(base_url=address, headers=headers)
        asked += 1
        assert answer.status_code < 500, (case, answer.text)
        assert str(answer.status_code) in described, (case, answer.status_code, answer.text)
        operation.validate_response(answer)

    bounded: Any = settings(
        max_examples=EXAMPLES,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    cases = operation.as_strategy(generation_mode=schemathesis.GenerationMode(mode))
    try:
        given_cases: Any = given(cases)
        run = bounded(given_cases(ask))
        run()
    except Unsatisfiable:  # nothing can be wrong with a request that has no parameters
        assert mode == "negative"
    return asked
