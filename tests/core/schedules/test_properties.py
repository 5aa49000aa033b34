"""What holds for every timing, looked for with random ones."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from core.schedules.crontab import FIELDS, Field, parse
from core.schedules.errors import CrontabError
from core.schedules.planning import Catchup, jitter, missed, next_slot, slots
from core.schedules.preview import preview
from core.schedules.timing import Timing, named_zone, read_timing
from core.schedules.words import describe

ZONES = ["UTC", "Europe/Stockholm", "America/Santiago", "Australia/Lord_Howe", "Asia/Kathmandu"]
moments = st.integers(0, 6 * 366 * 86_400_000_000).map(
    lambda microseconds: datetime(2024, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)
)
zones = st.sampled_from(ZONES)
# A busy machine is no failure.
unhurried = settings(deadline=None, max_examples=50)


def refusal(expression: str) -> str:
    """Return why an expression is refused, or nothing."""
    try:
        parse(expression, named_zone("UTC"))
    except CrontabError as error:
        return error.detail
    return ""


@st.composite
def terms(draw: st.DrawFn, field: Field) -> str:
    """Draw one member of a field's list."""
    low, high = sorted(draw(st.tuples(*[st.integers(field.least, field.most)] * 2)))
    step = draw(st.integers(1, field.most + 2))
    numbers = ["*", str(low), f"{low}-{high}", f"*/{step}", f"{low}-{high}/{step}"]
    named = [*field.names, *field.specials]
    weekly = [f"{low}L", f"{low}#{1 + high % 5}"] if field.names[:1] == ("SUN",) else []
    return draw(st.sampled_from([*numbers, *named, *weekly]))


@st.composite
def expressions(draw: st.DrawFn) -> str:
    """Draw an expression; half of the fields are stars, as in life."""
    fields = [
        st.just("*") | st.lists(terms(field), min_size=1, max_size=3).map(",".join)
        for field in FIELDS
    ]
    return " ".join(draw(field) for field in fields)


@st.composite
def crontabs(draw: st.DrawFn) -> Timing:
    """Draw a crontab timing that runs at all."""
    expression, zone = draw(expressions()), draw(zones)
    refused = refusal(expression)
    assume("never runs" not in refused)
    assert not refused
    return read_timing(kind="crontab", crontab=expression, zone=zone)


@st.composite
def intervals(draw: st.DrawFn) -> Timing:
    """Draw an interval."""
    seconds = draw(st.integers(1, 31 * 86_400))
    offset = draw(st.integers(0, seconds - 1))
    return read_timing(kind="interval", every_seconds=seconds, offset_seconds=offset)


@unhurried
@given(timing=crontabs() | intervals(), after=moments)
def test_the_next_slot_is_after_and_the_same_from_anywhere_before_it(
    timing: Timing, after: datetime
) -> None:
    slot = next_slot(timing, after)

    assert slot is not None
    assert slot > after
    assert next_slot(timing, slot - datetime.resolution) == slot
    assert next_slot(timing, after + (slot - after) / 2) == slot


@unhurried
@given(timing=crontabs(), after=moments)
def test_slots_one_by_one_are_the_slots_in_a_row(timing: Timing, after: datetime) -> None:
    found = slots(timing, after, after + timedelta(days=400), 10)

    assert [next_slot(timing, before) for before in [after, *found[:-1]]][: len(found)] == found
    assert all(later > earlier for earlier, later in pairwise(found))


@unhurried
@given(timing=intervals(), after=moments)
def test_the_slots_of_an_interval_are_evenly_spaced(timing: Timing, after: datetime) -> None:
    found = slots(timing, after, datetime(2999, 1, 1, tzinfo=UTC), 10)

    assert timing.every_seconds
    assert {later - earlier for earlier, later in pairwise(found)} == {
        timedelta(seconds=timing.every_seconds)
    }


@unhurried
@given(timing=crontabs() | intervals(), start=moments)
def test_what_can_be_planned_can_be_previewed(timing: Timing, start: datetime) -> None:
    shown = preview(timing, start=start, count=2)

    assert shown.description == describe(timing)
    assert shown.runs
    assert all(run.utc == run.local for run in shown.runs)


@unhurried
@given(text=st.text() | expressions() | st.from_regex(r"[-*/,0-9A-Z#LW ]{1,30}"))
def test_any_text_is_parsed_or_refused_in_one_line(text: str) -> None:
    if refused := refusal(text):
        assert refused.isprintable()
    else:
        crontab = parse(text, named_zone("UTC"))
        assert parse(crontab.text, crontab.zone) == crontab


@unhurried
@given(
    timing=crontabs() | intervals(),
    after=moments,
    away=st.timedeltas(timedelta(0), timedelta(days=3)),
    policy=st.sampled_from(Catchup),
    window=st.timedeltas(timedelta(0), timedelta(days=2)),
)
def test_no_slot_is_lost_from_a_plan(
    timing: Timing, after: datetime, away: timedelta, policy: Catchup, window: timedelta
) -> None:
    now = after + away
    due = slots(timing, after, now, 5_000)
    plan = missed(timing, after, now, policy, window)

    assert len(due) == 5_000 or len(plan.run) + plan.missed_count == len(due)
    assert len(due) == 5_000 or list(plan.run) == due[plan.missed_count :] or not plan.run
    assert plan.next_slot == next_slot(timing, now)


@unhurried
@given(number=st.integers(), slot=moments, seconds=st.integers(1, 3_600))
def test_jitter_stays_within_its_bound(number: int, slot: datetime, seconds: int) -> None:
    assert timedelta(0) <= jitter(number, slot, seconds) < timedelta(seconds=seconds)
