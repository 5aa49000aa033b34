"""What each kind of process weighs after it has worked: its proportional share, in MB."""

from tests.benchmarks import load
from tests.benchmarks.kuvert import Desk
from tests.benchmarks.processes import children, pause, pss_megabytes
from tests.benchmarks.report import Row, at_most
from tests.benchmarks.stage import Stage
from tests.benchmarks.work_requests import Requests

WEB, WORKER, BEAT = 120, 100, 80
REQUESTS = 1000
DELIVERIES = 1000
BEAT_SECONDS = 5.0


def rows(stage: Stage, desk: Desk) -> list[Row]:
    """Give web and worker something to do, let beat watch for a while, and look."""
    web, port = stage.start_web()
    worker = stage.start_worker()
    beat = stage.start("beat", ["manage.py", "beat"])
    requests = Requests(stage, desk)
    load.run(port, requests.single("ours", REQUESTS))
    load.run(port, requests.callbacks(REQUESTS))
    load.run(port, requests.batches("ours", 2), 2)
    desk.fill("now", DELIVERIES)
    desk.send_all()
    pause(BEAT_SECONDS)
    return [
        at_most("memory of a web process", pss_megabytes(children(web.pid)), WEB, "MB"),
        at_most("memory of a worker child", pss_megabytes(children(worker.pid)), WORKER, "MB"),
        at_most("memory of beat", pss_megabytes([beat.pid]), BEAT, "MB"),
    ]
