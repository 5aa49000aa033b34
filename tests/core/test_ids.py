"""UUID version 7 (RFC 9562 §5.7)."""

import threading
from datetime import UTC, datetime, timedelta
from uuid import RFC_4122, UUID

from core.clock import utcnow
from core.ids import first_id_of, new_id


def time_of(identifier: UUID) -> datetime:
    return datetime.fromtimestamp((identifier.int >> 80) / 1000, UTC)


def test_an_id_has_the_version_and_the_variant() -> None:
    identifier = new_id()

    assert identifier.version == 7
    assert identifier.variant == RFC_4122


def test_an_id_tells_when_it_was_made() -> None:
    before = utcnow() - timedelta(milliseconds=1)

    made = time_of(new_id())

    # Ids run ahead of the clock by a fraction of a millisecond when many are made at once.
    assert before <= made <= utcnow() + timedelta(seconds=1)


def test_the_ids_of_a_process_ascend() -> None:
    made = [new_id() for _ in range(10_000)]

    assert made == sorted(made)
    assert len(set(made)) == len(made)


def test_threads_get_no_id_twice() -> None:
    made: list[UUID] = []

    def make() -> None:
        own = [new_id() for _ in range(2_000)]
        assert own == sorted(own)
        made.extend(own)

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(set(made)) == 16_000


def test_the_first_id_of_a_moment_bounds_what_was_made_then() -> None:
    moment = utcnow()
    least = first_id_of(moment)

    assert least <= new_id()
    assert least.version == 7
    assert first_id_of(moment - timedelta(milliseconds=1)) < least
    assert first_id_of(datetime(1970, 1, 1, tzinfo=UTC)).int >> 80 == 0
