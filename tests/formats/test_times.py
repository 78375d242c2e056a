from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, strategies as st

from memento_ingest.times import to_unix_ms

MOMENT = 1767322800123  # 2026-01-02T03:00:00.123Z


@pytest.mark.parametrize(
    "value",
    [
        MOMENT,
        float(MOMENT),
        MOMENT / 1000,
        MOMENT * 1000,
        MOMENT * 1_000_000,
        str(MOMENT),
        "1767322800.123",
        "2026-01-02T03:00:00.123Z",
        "2026-01-02T03:00:00.123456+00:00",
        "2026-01-02 03:00:00,123",
        "2026-01-02T04:30:00.123+01:30",
        "2026-01-01T22:00:00.123-0500",
        "2026-01-02T03:00:00.123+",
        " 2026-01-02T03:00:00.123 UTC ",
    ],
)
def test_every_way_of_writing_one_moment(value: object) -> None:
    assert to_unix_ms(value) == MOMENT


@pytest.mark.parametrize(
    "value",
    [
        *(None, True, "", [], {}, "yesterday", "9" * 5000, "2026-13-01", "2026-01-02T25:00"),
        *(0, -5, 1e-60, 1e300, float("nan"), float("inf"), 10**400),
        *("2026-01-02T03:00:00+99:00", "0001-01-01T00:00:00Z", "\u0662026-01-02"),
    ],
)
def test_what_is_no_time_gives_none(value: object) -> None:
    assert to_unix_ms(value) is None


def test_a_date_alone_is_its_midnight_in_utc() -> None:
    assert to_unix_ms("2026-01-02") == 1767312000000


@given(st.datetimes(min_value=datetime(1971, 1, 1), max_value=datetime(2200, 1, 1), timezones=st.just(UTC)))
def test_reads_back_what_isoformat_writes(moment: datetime) -> None:
    whole = int(moment.replace(microsecond=0).timestamp())
    assert to_unix_ms(moment.isoformat()) == whole * 1000 + moment.microsecond // 1000


@given(st.one_of(st.text(max_size=70), st.integers(), st.floats()))
def test_never_raises(value: object) -> None:
    result = to_unix_ms(value)
    assert result is None or result > 0
