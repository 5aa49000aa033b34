"""`python -m tests.benchmarks`: every comparison in one run, as a table or as JSON."""

import argparse
import signal
import sys
from collections.abc import Callable

from tests.benchmarks import (
    peer,
    report,
    work_admin,
    work_audit,
    work_claims,
    work_counts,
    work_dispatch,
    work_events,
    work_help,
    work_logs,
    work_memory,
    work_metrics,
    work_outage,
    work_pdf,
    work_requests,
    work_schedule,
    work_smtp,
)
from tests.benchmarks.kuvert import Desk, desk
from tests.benchmarks.report import Row
from tests.benchmarks.stage import Stage, stage


def main() -> int:
    """Run the parts that are asked for and print what they found."""
    arguments = _arguments()
    # So that a run that is told to stop takes its databases with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    rows: list[Row] = []
    with stage() as here, desk(here) as ours:
        peer.set_up()
        for part in arguments.only or RUNS:
            found = run(part, here, ours)
            rows += found
            print(report.as_table(found), file=sys.stderr, flush=True)
    print(report.as_json(rows) if arguments.json else report.as_table(rows))
    return 0


def run(part: str, here: Stage, ours: Desk) -> list[Row]:
    """Run one part; what it starts ends with it."""
    ours.put_aside()
    with here.part() as scene:
        return RUNS[part](scene, ours)


def _dispatch(scene: Stage, ours: Desk) -> list[Row]:
    scene.start_worker()
    peer.start_worker(scene)
    return work_dispatch.rows(scene, ours)


def _requests(scene: Stage, ours: Desk) -> list[Row]:
    _, port = scene.start_web()
    return work_requests.rows(scene, ours, port, scene.start_peer_web())


RUNS: dict[str, Callable[[Stage, Desk], list[Row]]] = {
    "dispatch": _dispatch,
    "smtp": work_smtp.rows,
    "requests": _requests,
    "logs": work_logs.rows,
    "counts": work_counts.rows,
    "outage": work_outage.rows,
    "memory": work_memory.rows,
    "events": work_events.rows,
    "claims": work_claims.rows,
    "schedule": work_schedule.rows,
    "audit": work_audit.rows,
    "metrics": work_metrics.rows,
    "admin": work_admin.rows,
    "pdf": work_pdf.rows,
    "help": work_help.rows,
}
"""The parts, in an order in which no part's rows are in the way of the next."""


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--json", action="store_true", help="write JSON instead of the table")
    parser.add_argument("--only", action="append", choices=RUNS, help="one part; may be repeated")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
