"""`manage.py logs test` against receivers that are well and unwell."""

import threading
from pathlib import Path

import pytest

from tests.support.command import Manage
from tests.support.lines import Receiver
from tests.support.ports import free_port
from tests.support.processes import wait_until


def manage(home: Path, url: str | None) -> Manage:
    return Manage(home, {"KUVERT_LOGSTASH_URL": url} if url else {})


def test_the_record_arrives_with_its_number(tmp_path: Path) -> None:
    with Receiver() as receiver:
        done = manage(tmp_path, receiver.url)("logs", "test")

        assert done.returncode == 0, done.stderr
        wait_until(lambda: "a test of the way to Logstash" in receiver.messages(), 20, "it comes")
        [event] = [one for one in receiver.events() if "test_number" in one]
    assert event["test_number"] in done.stdout
    assert event["test_number"] in done.stderr
    for seen in ("127.0.0.1 is 127.0.0.1", "connected to 127.0.0.1", "bytes taken", " ms)"):
        assert seen in done.stdout


def test_without_a_setting_it_says_which(tmp_path: Path) -> None:
    assert "KUVERT_LOGSTASH_URL is not set" in manage(tmp_path, None).refusal("logs", "test")


@pytest.mark.parametrize(
    ("host", "step", "words"),
    [
        ("nobody.invalid", "resolve", "check the host"),
        ("127.0.0.1", "connect", "nothing listens there"),
    ],
    ids=["no such name", "nobody there"],
)
def test_what_fails_is_said_with_what_to_do(
    tmp_path: Path, host: str, step: str, words: str
) -> None:
    done = manage(tmp_path, f"tcp://{host}:{free_port()}")("logs", "test")

    assert done.returncode == 1
    last = done.stdout.splitlines()[-1]
    assert last.startswith(step)
    assert words in last


def test_something_else_that_answers_is_not_taken_for_logstash(tmp_path: Path) -> None:
    with Receiver() as receiver:
        threading.Thread(target=answer, args=(receiver,), daemon=True).start()
        done = manage(tmp_path, receiver.url)("logs", "test")

    assert done.returncode == 1
    assert "it answers b'HTTP/1.1 400 Bad Request" in done.stdout


def answer(receiver: Receiver) -> None:
    wait_until(lambda: "test_number" in receiver.received.decode(), 20, "the record comes")
    for connection in receiver.connections:
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n\x1b[31m")


def test_as_json_it_is_a_list_of_steps(tmp_path: Path) -> None:
    with Receiver() as receiver:
        steps = manage(tmp_path, receiver.url).json("logs", "test")

    assert [step["step"] for step in steps] == ["resolve", "connect", "send", "listen"]
    assert all(step["ok"] for step in steps)
