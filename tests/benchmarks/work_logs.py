"""What sending log lines to Logstash costs a request: two web servers alike but for that.

Measured in processor time of the web processes, all their threads: requests per second would tell
more of what else the machine does. On two shared cores the two sides still differed by a fifth in
the wrong direction, so there is no goal here: a verdict would mean nothing.
"""

import os
from collections.abc import Callable
from pathlib import Path

from tests.benchmarks import load
from tests.benchmarks.kuvert import Desk
from tests.benchmarks.processes import Process, children
from tests.benchmarks.report import Row
from tests.benchmarks.rounds import in_turns
from tests.benchmarks.stage import Stage
from tests.benchmarks.work_requests import Requests

ROUNDS = 7
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"

Make = Callable[[], list[bytes]]
Server = tuple[Process, int]


def rows(stage: Stage, desk: Desk) -> list[Row]:
    """Compare what a request takes; the smallest has the largest share of its line."""
    requests = Requests(stage, desk)
    plain = stage.start_web()
    url = f"tcp://127.0.0.1:{_start_sink(stage)}"
    shipping = stage.start_web({**stage.environ, "KUVERT_LOGSTASH_URL": url})
    return [
        _row("invoice in", 202, lambda: requests.single("ours", 300), shipping, plain),
        _row("callback in", 202, lambda: requests.callbacks(600), shipping, plain),
        _row("/healthz", 200, lambda: [HEALTH] * 1000, shipping, plain),
    ]


def _row(name: str, code: int, make: Make, shipping: Server, plain: Server) -> Row:
    for server in (shipping, plain):
        _milliseconds(server, make(), code)
    ours, other = in_turns(
        lambda: _milliseconds(shipping, make(), code),
        lambda: _milliseconds(plain, make(), code),
        rounds=ROUNDS,
    )
    return Row(
        name=f"{name}, lines to Logstash too",
        ours=ours,
        other=other,
        against="stderr alone",
        unit="ms",
    )


def _milliseconds(server: Server, requests: list[bytes], code: int) -> float:
    """Return the processor time of one request, in milliseconds."""
    process, port = server
    before = _seconds(process)
    load.run(port, requests).check(code)
    return (_seconds(process) - before) * 1000 / len(requests)


def _seconds(process: Process) -> float:
    """Return the processor time of all web processes so far (proc(5): utime and stime)."""
    stats = (Path(f"/proc/{pid}/stat").read_text("ascii") for pid in children(process.pid))
    ticks = (text.rpartition(")")[2].split()[11:13] for text in stats)
    return sum(int(user) + int(system) for user, system in ticks) / os.sysconf("SC_CLK_TCK")


def _start_sink(stage: Stage) -> int:
    process = stage.start("sink", ["-m", "tests.benchmarks.sink"])
    process.wait_for_line("\n")
    return int((stage.folder / "sink.log").read_text("ascii"))
