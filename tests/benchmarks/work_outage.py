"""Whether requests notice that the broker is away: the time that 95 of 100 do not exceed."""

from tests.benchmarks import load
from tests.benchmarks.kuvert import Desk
from tests.benchmarks.processes import free_port
from tests.benchmarks.report import Goal, Row
from tests.benchmarks.rounds import in_turns
from tests.benchmarks.stage import Stage
from tests.benchmarks.work_requests import Requests

REQUESTS = 600
CONNECTIONS = 4
ROUNDS = 5
MOST = 1.2


def rows(stage: Stage, desk: Desk) -> list[Row]:
    """Compare web processes whose broker answers with others whose broker's port is closed."""
    away = f"amqp://guest:guest@127.0.0.1:{free_port()}//"
    _, port = stage.start_web()
    _, port_away = stage.start_web({**stage.environ, "KUVERT_BROKER_URL": away})
    requests = Requests(stage, desk)
    for one in (port, port_away):
        _intake(one, requests)
        _callbacks(one, requests)
    there, gone, heard, unheard = in_turns(
        lambda: _intake(port, requests),
        lambda: _intake(port_away, requests),
        lambda: _callbacks(port, requests),
        lambda: _callbacks(port_away, requests),
        rounds=ROUNDS,
    )
    return [
        _row("invoice in, p95, broker away", gone, there),
        _row("callback in, p95, broker away", unheard, heard),
    ]


def _row(name: str, gone: float, there: float) -> Row:
    return Row(
        name=name,
        ours=gone,
        other=there,
        against="broker there",
        unit="ms",
        goal=MOST,
        kind=Goal.AT_MOST,
    )


def _intake(port: int, requests: Requests) -> float:
    sent = load.run(port, requests.single("ours", REQUESTS), CONNECTIONS)
    return sent.check(202).p95 * 1000


def _callbacks(port: int, requests: Requests) -> float:
    return load.run(port, requests.callbacks(REQUESTS), CONNECTIONS).check(202).p95 * 1000
