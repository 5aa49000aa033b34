"""The demonstration: sample invoices go through the sandbox while the terminal shows them move."""

import http.client
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from time import monotonic
from typing import Any
from urllib.parse import urlencode, urlsplit

from rich.console import Console
from rich.table import Table
from rich.text import Text

from core.clock import utcnow
from invoices.samples import Sample, samples
from invoices.sandbox.faults import Fault, fault_for
from invoices.trial import SILENT_SANDBOX

JSON = "application/json"
STARTING_SECONDS = 60.0
SHOWING_SECONDS = 60.0

STYLES = {
    "delivered": "green",
    "undeliverable": "red",
    "failed": "red",
    "unknown": "magenta",
    "retry_wait": "yellow",
    "held": "yellow",
    "sent": "cyan",
}
RESTING = frozenset({"delivered", "undeliverable", "failed", "unknown", "held", "cancelled"})
STAYS_SENT = frozenset({Fault.UNMAPPED, Fault.SILENT})
"""Of these nothing more is heard; they end as `sent`, which is not `delivered`."""


@dataclass(slots=True)
class Shown:
    """One invoice of the demonstration, as far as it has come."""

    number: str
    recipient: str
    note: str
    fault: Fault
    statuses: list[str] = field(default_factory=list)

    @property
    def is_resting(self) -> bool:
        """True when nothing more is to be seen of it."""
        last = self.statuses[-1] if self.statuses else ""
        return last in RESTING or (last == "sent" and self.fault in STAYS_SENT)


class Demonstration:
    """Sends the samples over the API of a running Kuvert and shows what becomes of them."""

    def __init__(self, url: str, key: str, console: Console) -> None:
        self.url = url
        self._key = key
        self._console = console
        self._shown: dict[str, Shown] = {}
        self._stop = threading.Event()
        self._after: str | None = None

    def run(self) -> bool:
        """Send, show, sum up; False when it was stopped or something was not reached in time."""
        if not self._wait_until(self._is_ready, STARTING_SECONDS):
            self._say("[red]Kuvert did not come up in time; the lines above say why[/]")
            return False
        for sample in samples(f"{utcnow():%Y%m%d-%H%M%S}"):
            self._send(sample)
        done = self._wait_until(self._has_come_to_rest, SHOWING_SECONDS)
        self._sum_up()
        return done

    def stop(self) -> None:
        """End the demonstration early."""
        self._stop.set()

    # ---- sending and watching ----

    def _send(self, sample: Sample) -> None:
        fault = fault_for(sample.recipient)
        document, query = _addressed(sample, fault)
        status, body = self._call("POST", f"/api/v1/invoices{query}", document, sample.media_type)
        if status != http.client.ACCEPTED:
            self._say(f"[red]{sample.name} was refused: {body.get('detail')}[/]")
            return
        shown = Shown(body["number"], sample.recipient, sample.note, fault)
        self._shown[body["id"]] = shown

    def _has_come_to_rest(self) -> bool:
        for event in self._new_events():
            shown = self._shown.get(event["invoice_id"])
            if shown is not None and event["status"] != event["previous_status"]:
                shown.statuses.append(event["status"])
                self._show(shown, event)
        return all(shown.is_resting for shown in self._shown.values())

    def _new_events(self) -> Iterator[dict[str, Any]]:
        """Read on in the feed of events."""
        query = urlencode({"after": self._after} if self._after else {})
        _, page = self._call("GET", f"/api/v1/events?{query}")
        self._after = page.get("next")
        yield from page.get("items", ())

    def _is_ready(self) -> bool:
        try:
            status, _ = self._call("GET", "/readyz")
        except OSError:
            return False
        return status == http.client.OK

    def _wait_until(self, condition: Callable[[], bool], seconds: float) -> bool:
        give_up_at = monotonic() + seconds
        while not condition():
            if self._stop.wait(0.2) or monotonic() > give_up_at:
                return False
        return True

    def _call(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        media_type: str = "application/json",
    ) -> tuple[int, dict[str, Any]]:
        """Call the API and return the status and the JSON."""
        place = urlsplit(self.url)
        connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=10)
        headers = {"Authorization": f"Bearer {self._key}", "Content-Type": media_type}
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()

    # ---- showing ----

    def _show(self, shown: Shown, event: dict[str, Any]) -> None:
        """Print one step of one invoice."""
        status = event["status"]
        line = Text(f"  {event['recorded_at'][11:19]}  {shown.number:<22} ")
        line.append(f"{status:<14}", STYLES.get(status, ""))
        line.append(f" {event['detail'] or shown.recipient}", "dim")
        self._console.print(line, overflow="ellipsis", no_wrap=True)

    def _sum_up(self) -> None:
        """Print where each invoice has ended."""
        table = Table(title="Where the sample invoices are now", title_justify="left", box=None)
        for column in ("Invoice", "To", "Status", "Way"):
            table.add_column(column, no_wrap=True)
        table.add_column("What there is to see", ratio=1)
        for shown in self._shown.values():
            last = shown.statuses[-1] if shown.statuses else "ready"
            tries = shown.statuses.count("sending")
            way = "retried" if tries > 1 else ""
            cells = (
                shown.number,
                shown.recipient,
                Text(last, STYLES.get(last, "")),
                way,
                shown.note,
            )
            table.add_row(*cells)
        self._console.print()
        self._console.print(table)

    def _say(self, text: str) -> None:
        self._console.print(text)


def _addressed(sample: Sample, fault: Fault) -> tuple[bytes, str]:
    """Return document and query; what never answers goes where no key is honoured."""
    provider = {"provider": SILENT_SANDBOX} if fault == Fault.TIMEOUT else {}
    if sample.media_type != JSON:
        return sample.document, "?" + urlencode({"to": sample.recipient, **provider})
    document = json.loads(sample.document)
    document["delivery"] = {"to": sample.recipient, **provider}
    return json.dumps(document, ensure_ascii=False).encode(), ""
