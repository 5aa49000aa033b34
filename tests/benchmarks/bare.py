"""The limit of dispatch: our own HTTP client in a loop, with nothing around it."""

import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from uuid import uuid4

from core.http import Answer, Call, HttpClient
from tests.benchmarks.documents import document
from tests.benchmarks.kuvert import CONCURRENCY
from tests.benchmarks.stage import PROCESSES

_clients: list[HttpClient] = []


def rate(pool: ProcessPoolExecutor, url: str, calls: int) -> float:
    """Return calls per second of all processes of the pool together."""
    share = calls // PROCESSES
    spans = list(pool.map(send, [url] * PROCESSES, [share] * PROCESSES))
    began, ended = min(span[0] for span in spans), max(span[1] for span in spans)
    return share * PROCESSES / (ended - began)


def pool() -> ProcessPoolExecutor:
    """Return the processes of the bare loop: two saturate this client and the provider."""
    return ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn"))


def send(url: str, calls: int) -> tuple[float, float]:
    """Post so many invoices; returns when it began and ended."""
    if not _clients:
        _clients.append(HttpClient(allow_private=True, concurrency=CONCURRENCY))
    body = document("bare")
    began = time.monotonic()
    for _, end in _clients[0].send(_calls(url, calls, body)):
        if not isinstance(end, Answer) or end.status != 202:
            raise RuntimeError(f"the provider did not accept: {end}")
    return began, time.monotonic()


def _calls(url: str, number: int, body: bytes) -> Iterator[Call]:
    for _ in range(number):
        key = str(uuid4())
        headers = (
            ("Content-Type", "application/json"),
            ("Idempotency-Key", key),
            ("Kuvert-Invoice-Number", "2026-1"),
            ("Kuvert-Attempt", "1"),
            ("Kuvert-Recipient", "deliver@sandbox.example"),
        )
        yield Call(key=key, url=url, body=body, headers=headers, is_repeatable=True)
