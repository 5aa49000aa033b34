"""The web server that needs no gunicorn."""

import socket
import threading
from collections.abc import Iterator
from http.client import HTTPConnection

import pytest
import waitress
from flask import Flask

from core.cli_run import embedded_options


@pytest.fixture
def port(app: Flask) -> Iterator[int]:
    """The port of a server that runs in a thread."""
    server = waitress.create_server(app, host="127.0.0.1", port=0, **embedded_options())
    thread = threading.Thread(target=server.run)
    thread.start()
    yield int(server.effective_port)
    server.close()
    thread.join()


def test_idle_connections_keep_nobody_out(port: int) -> None:
    idle = [socket.create_connection(("127.0.0.1", port), 5) for _ in range(150)]

    asking = HTTPConnection("127.0.0.1", port, timeout=5)
    asking.request("GET", "/healthz")
    status = asking.getresponse().status

    asking.close()
    for one in idle:
        one.close()
    assert status == 200
