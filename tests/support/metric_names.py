"""The names of all metrics that there are, as they are written in expressions."""

from pathlib import Path

from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families

from core import metrics


def metric_names(client: FlaskClient, folder: Path) -> set[str]:
    """Have each counted once, and return the names: a counter's with `_total`."""
    from core.metrics import store

    metrics.begin(folder)
    try:
        metrics.request("GET", "none", 404, 0.1)
        metrics.task("x", "succeeded", 0.1)
        metrics.attempt("x", "accepted", 0.1)
        metrics.push("taken", 0.1)
        metrics.message_without_work("x")
        metrics.lines_dropped(1)
    finally:
        metrics.end()
    counted = store.read(folder / metrics.FOLDER)
    names = {f"{one.name}_total" if one.type == "counter" else one.name for one in counted}
    # The parser drops nothing: a gauge without a sample has its line of help.
    return names | {
        family.name for family in text_string_to_metric_families(client.get("/metrics").text)
    } - {one.name for one in counted}
