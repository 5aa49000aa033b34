"""What `doctor` finds on real parts, and that it says what to do."""

import socket
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from time import monotonic

import pytest
from flask import Flask
from kombu import Connection, Queue
from sqlalchemy import update

from core import heartbeats
from core.app import create_app
from core.broker import declare_all
from core.clock import utcnow
from core.db import database_time, unit_of_work
from core.doctor import broker, examining, storage
from core.doctor.findings import Finding, Patient, State
from core.queues import QUEUE_OF
from core.schedules.models import Schedule
from core.settings import Settings
from invoices.models import Provider
from tests.support.brokers import virtual_host
from tests.support.console import Console
from tests.support.environment import make_settings

SECRET = "hunter2-hunter2-hunter2"


def found_by(settings: Settings) -> dict[str, list[Finding]]:
    """Examine an application of these settings; the findings by check."""
    return by_check(create_app(settings))


def by_check(app: Flask) -> dict[str, list[Finding]]:
    found: dict[str, list[Finding]] = {}
    for line in examining.examine(app):
        found.setdefault(line.check, []).append(line.finding)
    return found


def states(findings: list[Finding]) -> list[str]:
    return [str(finding.state) for finding in findings]


def live(queues: list[str]) -> None:
    """Let a worker of these queues, and a beat, have given a sign just now."""
    with unit_of_work() as connection:
        now = database_time(connection)
        heartbeats.beat(connection, "all@here", queues, now)


@pytest.mark.every_database
def test_a_database_is_named_with_its_size(app: Flask) -> None:
    found = by_check(app)

    [about] = found["database"]
    assert about.state is State.OK
    assert about.means.endswith(" MiB")
    assert states(found["migrations"]) == ["ok"]
    assert states(found["clock"])[0] in {"ok", "skipped"}


def test_every_line_that_is_not_well_says_what_to_do(tmp_path: Path, closed_port: int) -> None:
    settings = make_settings(
        tmp_path,
        DATABASE_URL=f"postgresql+psycopg://kuvert:{SECRET}@127.0.0.1:{closed_port}/x",
        BROKER_URL=f"amqp://kuvert:{SECRET}@127.0.0.1:{closed_port}/x",
        SMTP_URL=f"smtp://kuvert:{SECRET}@127.0.0.1:{closed_port}?tls=off",
        IMAP_URL=f"imap://kuvert:{SECRET}@127.0.0.1:{closed_port}/INBOX",
        LOGSTASH_URL=f"tcp://127.0.0.1:{closed_port}",
    )
    began = monotonic()

    found = found_by(settings)

    assert monotonic() - began < examining.LONGEST_SECONDS + 2
    for check in ("database", "broker", "mail server", "mailbox"):
        assert states(found[check])[-1] == "fail", check
    assert states(found["logstash"]) == ["warn"]
    for findings in found.values():
        for finding in findings:
            assert finding.means
            assert finding.remedy or finding.state in {State.OK, State.SKIPPED}, finding
            assert SECRET not in finding.means + finding.remedy


def test_a_database_without_tables_is_told_how_to_get_them(tmp_path: Path) -> None:
    [finding] = found_by(make_settings(tmp_path))["migrations"]

    assert (finding.state, finding.remedy) == (State.FAIL, "manage.py db upgrade")


def test_a_check_that_hangs_is_left_and_said(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:

        def hang(_: Patient) -> Iterator[Finding]:
            with socket.create_connection(silent.getsockname()) as connection:
                connection.recv(1)
            yield from ()

        monkeypatch.setattr(examining, "LONGEST_SECONDS", 1.0)
        monkeypatch.setitem(examining.CHECKS, "hangs", hang)
        found = by_check(app)

    assert states(found["hangs"]) == ["fail"]
    assert "no answer" in found["hangs"][0].means
    assert found["settings"]


def test_a_check_that_breaks_leaves_the_others(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: Patient) -> Iterator[Finding]:
        raise ZeroDivisionError

    monkeypatch.setitem(examining.CHECKS, "breaks", broken)

    found = by_check(app)

    assert "ZeroDivisionError" in found["breaks"][0].means
    assert states(found["disk"]) == ["ok"]


# The broker


@pytest.fixture
def no_erlang(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody asks `rabbitmqctl`, which takes a second each time and has a test of its own."""
    monkeypatch.setattr(broker, "_ask_rabbitmq", lambda: None)


@pytest.mark.usefixtures("no_erlang")
def test_queues_as_they_should_be(tmp_path: Path) -> None:
    with virtual_host() as url:
        app = create_app(make_settings(tmp_path, BROKER_URL=url))
        before = by_check(app)
        with Connection(url) as connection:
            declare_all(connection, app.extensions["celery"].conf.task_queues)

        after = by_check(app)

    assert states(before["queues"]) == ["warn"]
    assert "start a worker" in before["queues"][0].remedy
    assert (states(after["queues"]), states(after["broker"])) == (["ok"], ["ok"])
    assert after["broker"][0].means.startswith("RabbitMQ 3.")


@pytest.mark.usefixtures("no_erlang")
def test_a_queue_with_other_arguments_is_named_with_the_cure(tmp_path: Path) -> None:
    """G07."""
    with virtual_host() as url:
        with Connection(url) as connection:
            Queue("getinvoice", durable=True)(connection.default_channel).queue_declare()
        app = create_app(make_settings(tmp_path, BROKER_URL=url))

        found = by_check(app)["queues"]

    wrong = next(finding for finding in found if finding.about == "getinvoice")
    assert wrong.state is State.FAIL
    assert "x-max-length" in wrong.means
    assert f"rabbitmqctl delete_queue -p {url.rpartition('/')[2]} getinvoice" in wrong.remedy


@pytest.mark.usefixtures("no_erlang")
def test_looking_makes_no_queue(tmp_path: Path) -> None:
    with virtual_host() as url:
        app = create_app(make_settings(tmp_path, BROKER_URL=url))

        by_check(app)

        again = by_check(app)["queues"]
    assert all(name in again[0].means for name in QUEUE_OF.values())


@pytest.mark.usefixtures("no_erlang")
def test_messages_that_were_set_aside_are_said(tmp_path: Path) -> None:
    with virtual_host() as url:
        app = create_app(make_settings(tmp_path, BROKER_URL=url))
        with Connection(url) as connection:
            declare_all(connection, app.extensions["celery"].conf.task_queues)
            with connection.Producer() as producer:
                producer.publish({"bad": 1}, routing_key="dead")
        [finding] = by_check(app)["dead letters"]

    assert (finding.state, finding.means.split()[0]) == (State.WARN, "1")


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        pytest.param((1800.0, [5672]), "ok", id="usual"),
        pytest.param((60.0, [5672]), "warn", id="too short"),
        pytest.param((None, [5672]), "ok", id="none"),
        pytest.param((60.0, [5673]), "skipped", id="another node"),
        pytest.param(None, "skipped", id="does not tell"),
    ],
)
def test_the_consumer_timeout_is_long_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: object, state: str
) -> None:
    """G08."""
    monkeypatch.setattr(broker, "_ask_rabbitmq", lambda: answer)
    app = create_app(make_settings(tmp_path, BROKER_URL="amqp://guest:guest@127.0.0.1:5672/x"))

    found = list(broker.consumer_timeout(Patient(app, app.extensions["kuvert_settings"])))

    assert states(found) == [state]


def test_rabbitmq_itself_is_asked_for_it() -> None:
    with virtual_host():
        said = broker._ask_rabbitmq()

    assert said is not None
    assert (said[0] or 0) >= broker.NEEDED_SECONDS
    assert 5672 in said[1]


# The machine


def test_a_home_that_cannot_be_written_is_named(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """G19; root may write anywhere, so the disk itself refuses."""
    from core.doctor import machine

    def full(_: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(machine, "_write", full)

    [finding] = by_check(app)["disk"]

    assert finding.state is State.FAIL
    assert str(app.extensions["kuvert_settings"].home) in finding.means
    assert "No space left" in finding.means


@pytest.mark.parametrize(
    ("seconds", "state"),
    [
        pytest.param(1, "ok", id="1 s"),
        pytest.param(30, "warn", id="30 s"),
        pytest.param(600, "fail", id="10 min"),
    ],
)
def test_a_clock_that_is_off_is_said(
    tmp_path: Path, app: Flask, monkeypatch: pytest.MonkeyPatch, seconds: int, state: str
) -> None:
    """G18."""
    url = "postgresql+psycopg://kuvert@127.0.0.1/x"
    monkeypatch.setattr(storage, "utcnow", lambda: utcnow() + timedelta(seconds=seconds))

    found = list(storage.clock(Patient(app, make_settings(tmp_path, DATABASE_URL=url))))

    assert states(found) == [state]


def test_a_key_that_could_be_guessed_is_said(tmp_path: Path) -> None:
    settings = make_settings(tmp_path, SECRET_KEY="a-password-of-mine-0123456789-abcdefgh")

    assert states(found_by(settings)["secrets"])[0] == "warn"


# Life


def test_a_desk_without_beat_and_workers_is_not_well(app: Flask) -> None:
    found = by_check(app)

    assert found["beat"][0].remedy == "manage.py beat"
    assert found["workers"][0].remedy == "manage.py worker"


def test_a_queue_that_nobody_takes_from_is_named(app: Flask) -> None:
    live(sorted(set(QUEUE_OF.values()) - {"jobs"}))

    [finding] = by_check(app)["workers"]

    assert (finding.state, finding.means) == (State.FAIL, "nobody takes from jobs")
    assert finding.remedy == "manage.py worker --queues jobs"


def test_an_alarm_of_a_schedule_is_said(app: Flask) -> None:
    table = Schedule.__table__
    with unit_of_work() as connection:
        connection.execute(
            update(table).where(table.c.name == "get-total-invoices").values(alarm="missed 3 slots")
        )

    found = by_check(app)["schedule"]

    assert [(one.about, one.means) for one in found] == [("get-total-invoices", "missed 3 slots")]


# Providers


def add_provider(console: Console, code: str, *options: str) -> None:
    done = console("provider", "add", code, "--channel", "http", *options)
    assert done.code == 0, done.err


def test_a_provider_that_cannot_be_reached_and_has_no_secret_is_said(
    app: Flask, console: Console, closed_port: int
) -> None:
    url = f"http://127.0.0.1:{closed_port}/in"
    add_provider(console, "acme", "--url", url, "--auth-ref", "env:NO_SUCH_TOKEN")

    found = by_check(app)["providers"]

    assert {(one.about, str(one.state)) for one in found} == {("acme", "fail")}
    assert any("env:NO_SUCH_TOKEN" in one.means for one in found)
    assert any("does not answer" in one.means for one in found)


def test_a_provider_that_answers_is_well(app: Flask, console: Console) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        add_provider(console, "acme", "--url", f"http://127.0.0.1:{server.getsockname()[1]}/in")

        [finding] = by_check(app)["providers"]

    assert (finding.about, finding.state) == ("acme", State.OK)


def test_an_alarm_of_a_provider_is_said_with_the_way_back(app: Flask, console: Console) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        add_provider(console, "acme", "--url", f"http://127.0.0.1:{server.getsockname()[1]}/in")
        with unit_of_work() as connection:
            connection.execute(update(Provider.__table__).values(alarm="answered 401"))

        [finding] = by_check(app)["providers"]

    assert finding.state is State.FAIL
    assert "provider resume acme" in finding.remedy


# The command


def test_the_command_says_the_same_and_fails_when_something_does(console: Console) -> None:
    done = console("doctor", "--json")

    assert done.code == 1
    import json

    rows = json.loads(done.out)
    assert {row["state"] for row in rows} <= {"ok", "warn", "fail", "skipped"}
    assert [row["check"] for row in rows][:4] == ["settings", "secrets", "disk", "database"]
    assert next(row for row in rows if row["check"] == "beat")["remedy"] == "manage.py beat"


def test_what_is_only_doubtful_is_no_failure(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    from core.doctor.findings import warn

    monkeypatch.setattr(examining, "CHECKS", {"one": lambda _: [warn("odd", "look")]})
    monkeypatch.setattr(examining, "registered", dict)

    done = console("doctor")

    assert done.code == 0
    assert "odd" in done.out
