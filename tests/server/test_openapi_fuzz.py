"""schemathesis sends what the OpenAPI document allows, and what it does not, to the running server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, settings

schemathesis: Any = pytest.importorskip("schemathesis")

if TYPE_CHECKING:
    from tests.server.conftest import Server


@pytest.mark.parametrize("mode", ["positive", "negative"])
def test_every_operation_answers_as_described(running: Server, mode: str) -> None:
    schema = schemathesis.openapi.from_dict(running.get("/openapi.json").json)
    schema.config.update(base_url=f"http://127.0.0.1:{running.port}")
    schema.config.generation.update(modes=[schemathesis.GenerationMode(mode)])
    headers = {"Authorization": f"Bearer {running.token}"}
    for found in schema.get_all_operations():
        operation = found.ok()

        @settings(
            max_examples=12,
            derandomize=True,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        def ask(case: Any) -> None:
            answer = case.call(headers=headers)
            assert answer.status_code < 500, answer.text
            assert str(answer.status_code) in case.operation.definition.raw["responses"], answer.text
            case.validate_response(answer, checks=[schemathesis.checks.load_all_checks() or schemathesis.checks.CHECKS.get_one("response_schema_conformance")])

        ask
