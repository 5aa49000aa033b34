"""The queue that is a folder: whole messages or none."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from kombu import Connection, Exchange, Queue
from kombu.exceptions import ChannelError

from core import folder_queue

QUEUE = Queue("jobs", Exchange("kuvert", type="direct"), routing_key="jobs")


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    """A connection to a queue in a folder of its own."""
    # Kombu remembers for the whole process what was declared, and where it makes no difference.
    folder_queue.Transport.global_state.clear()
    names = ("in", "control", "processed")
    for name in names:
        (tmp_path / name).mkdir()
    options = {
        "data_folder_in": str(tmp_path / "in"),
        "data_folder_out": str(tmp_path / "in"),
        "control_folder": str(tmp_path / "control"),
        "processed_folder": str(tmp_path / "processed"),
    }
    where = f"{folder_queue.__name__}:Transport"
    with Connection(transport=where, transport_options=options) as opened:
        yield opened


def send(connection: Connection, count: int) -> None:
    producer = connection.Producer(exchange=QUEUE.exchange, routing_key="jobs")
    for number in range(count):
        producer.publish({"number": number}, declare=[QUEUE])


def test_filesystem_means_our_transport() -> None:
    folder_queue.use()

    assert Connection("filesystem://localhost//").get_transport_cls() is folder_queue.Transport


def test_a_message_comes_out_as_it_went_in(connection: Connection) -> None:
    send(connection, 1)

    message = QUEUE(connection.default_channel).get()

    assert message is not None
    assert message.payload == {"number": 0}


def test_what_is_being_written_is_not_seen(connection: Connection, tmp_path: Path) -> None:
    send(connection, 1)
    [file] = (tmp_path / "in").iterdir()
    file.rename(file.with_name(f"{file.name}.part"))

    assert QUEUE(connection.default_channel).get() is None


def test_reader_and_writer_at_once_lose_nothing(connection: Connection) -> None:
    count = 300
    QUEUE(connection.default_channel).declare()
    writer = threading.Thread(target=send, args=(connection.clone(), count))
    writer.start()
    found: set[int] = set()
    while writer.is_alive() or len(found) < count:
        message = QUEUE(connection.default_channel).get()
        if message is not None:
            found.add(message.payload["number"])
    writer.join()

    assert len(found) == count


def test_a_folder_that_takes_nothing_is_a_broken_broker(
    connection: Connection, tmp_path: Path
) -> None:
    channel = connection.default_channel
    assert isinstance(channel, folder_queue.Channel)
    (tmp_path / "in").rmdir()

    with pytest.raises(ChannelError, match="cannot write"):
        channel._put("jobs", {})
