"""`python -m tests.benchmarks.sink`: takes log lines over TCP, as fast as they come."""

import selectors
import socket


def main() -> None:
    """Print the port, then read and forget until ended."""
    selector = selectors.DefaultSelector()
    with socket.create_server(("127.0.0.1", 0)) as server:
        print(server.getsockname()[1], flush=True)
        selector.register(server, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                _serve(selector, server, key.fileobj)


def _serve(selector: selectors.BaseSelector, server: socket.socket, ready: object) -> None:
    if ready is server:
        connection, _ = server.accept()
        selector.register(connection, selectors.EVENT_READ)
    elif isinstance(ready, socket.socket) and not ready.recv(1 << 20):
        selector.unregister(ready)
        ready.close()


if __name__ == "__main__":
    main()
