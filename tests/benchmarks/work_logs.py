"""What sending log lines to Logstash costs a request: two web servers alike but for that."""

from collections.abc import Callable

from tests.benchmarks import load
from tests.benchmarks.kuvert import Desk
from tests.benchmarks.report import Row
from tests.benchmarks.rounds import in_turns
from tests.benchmarks.stage import Stage
from tests.benchmarks.work_requests import Requests

ROUNDS = 9
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
GOAL = 0.9


def rows(stage: Stage, desk: Desk) -> list[Row]:
    """Compare requests per second; the smallest request has the largest share of its line."""
    requests = Requests(stage, desk)
    _, plain = stage.start_web()
    _, shipping = stage.start_web(
        {**stage.environ, "KUVERT_LOGSTASH_URL": f"tcp://127.0.0.1:{_start_sink(stage)}"}
    )
    works: dict[str, Callable[[int], load.Load]] = {
        "invoice in, one by one": lambda port: load.run(port, requests.single("ours", 400)),
        "callback in": lambda port: load.run(port, requests.callbacks(800)),
        "/healthz": lambda port: load.run(port, [HEALTH] * 2000),
    }
    return [_row(name, work, shipping, plain) for name, work in works.items()]


def _row(name: str, work: Callable[[int], load.Load], shipping: int, plain: int) -> Row:
    code = 200 if name == "/healthz" else 202
    for port in (shipping, plain):
        work(port).check(code)
    ours, other = in_turns(
        lambda: work(shipping).check(code).rate,
        lambda: work(plain).check(code).rate,
        rounds=ROUNDS,
    )
    named = f"{name}, lines to Logstash too"
    return Row(name=named, ours=ours, other=other, against="stderr alone", goal=GOAL)


def _start_sink(stage: Stage) -> int:
    process = stage.start("sink", ["-m", "tests.benchmarks.sink"])
    process.wait_for_line("\n")
    return int((stage.folder / "sink.log").read_text("ascii"))
