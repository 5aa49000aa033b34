"""The pure pieces of the benchmarks."""

import json
from collections import Counter

import pytest

from tests.benchmarks import load, report
from tests.benchmarks.documents import LINES, document
from tests.benchmarks.provider import request_end
from tests.benchmarks.report import Goal, Row
from tests.benchmarks.rounds import in_turns


def a_row(ours: float, **changes: object) -> Row:
    values: dict[str, object] = {"name": "work", "other": 100.0, "against": "peer", "goal": 3.0}
    return Row(ours=ours, **(values | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(("ours", "verdict"), [(300.0, "PASS"), (299.0, "MISS")])
def test_a_row_passes_when_it_reaches_its_goal(ours: float, verdict: str) -> None:
    assert a_row(ours).verdict == verdict


@pytest.mark.parametrize(("ours", "verdict"), [(120.0, "PASS"), (121.0, "MISS")])
def test_a_row_with_a_limit_passes_below_it(ours: float, verdict: str) -> None:
    assert a_row(ours, goal=1.2, kind=Goal.AT_MOST).verdict == verdict


def test_a_row_without_a_goal_has_no_verdict() -> None:
    assert a_row(1.0, goal=None).verdict == ""


def test_the_table_has_a_line_for_each_row() -> None:
    head, first, second = report.as_table([a_row(300.0), a_row(1234.5)]).splitlines()

    assert head.startswith("what")
    assert first.split() == ["work", "300", "/s", "100", "/s", "peer", "3.00", "≥", "3", "PASS"]
    assert "1,234" in second


def test_the_json_holds_figures_ratio_and_verdict() -> None:
    [row] = json.loads(report.as_json([a_row(300.0)]))["rows"]

    assert (row["ours"], row["other"], row["ratio"], row["verdict"]) == (300, 100, 3, "PASS")


def test_sides_take_turns_and_the_median_counts() -> None:
    order: list[str] = []
    values = iter([1.0, 9.0, 2.0])

    def ours() -> float:
        order.append("ours")
        return next(values)

    def other() -> float:
        order.append("other")
        return 5.0

    assert in_turns(ours, other) == [2.0, 5.0]
    assert order == ["ours", "other"] * 3


def test_the_95th_of_a_hundred_times() -> None:
    assert load.percentile([float(n) for n in range(100)], 0.95) == 95.0


def test_an_answer_ends_with_its_body() -> None:
    whole = b"HTTP/1.1 202 ACCEPTED\r\nServer: x\r\nContent-Length: 2\r\n\r\n{}"

    assert load.answer_end(whole) == (len(whole), 202)
    assert load.answer_end(whole[:-1]) == (0, 0)
    assert load.answer_end(whole[:20]) == (0, 0)


def test_an_answer_without_a_length_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="cannot be read"):
        load.answer_end(b"HTTP/1.1 200 OK\r\n\r\n")


def test_other_answers_than_expected_spoil_the_run() -> None:
    spoiled = load.Load(codes=Counter({202: 9, 500: 1}))

    with pytest.raises(RuntimeError, match="expected 202"):
        spoiled.check(202)


def test_a_request_ends_with_its_body() -> None:
    whole = load.post("/now", {"Content-Type": "text/plain"}, b"hello")

    assert request_end(whole) == len(whole)
    assert request_end(whole + b"POST") == len(whole)
    assert request_end(whole[:-1]) == 0


def test_documents_differ_in_their_numbers_and_add_up() -> None:
    one, other = (json.loads(document("run")) for _ in range(2))

    assert one["number"] != other["number"]
    assert len(one["lines"]) == LINES
    net = sum(float(line["net_amount"]) for line in one["lines"])
    assert f"{net + float(one['tax_amount']):.2f}" == one["payable_amount"]
