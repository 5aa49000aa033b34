"""Reading JSON strictly: rows A01, A02, A04 to A08 and A10 to A12 of the bad inputs."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import TooLargeError, UnreadableError
from core.strict_json import JsonFloat, loads, split_array, split_lines


def refusal_of(body: bytes) -> UnreadableError:
    with pytest.raises(UnreadableError) as caught:
        loads(body)
    return caught.value


def test_every_kind_of_value_is_read() -> None:
    body = b'{"text": "\xc3\xa4", "whole": 12, "list": [true, false, null, {}], "none": {}}'

    value = loads(body)

    assert value == {"text": "ä", "whole": 12, "list": [True, False, None, {}], "none": {}}


@pytest.mark.parametrize("text", ["0.1", "-12.30", "1e3", "1E-400"])
def test_a_float_keeps_its_digits_and_is_no_text(text: str) -> None:
    value = loads(text.encode())

    assert type(value) is JsonFloat
    assert value.text == text


@pytest.mark.parametrize("body", [b"", b" \n\t", b"\xef\xbb\xbf"])
def test_an_empty_body_is_named(body: bytes) -> None:
    assert refusal_of(body).detail == "The request has no body"


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (b"{a:1}", "line 1 column 2"),
        (b'{\n  "a": 1,\n}', "line 3 column 1"),
        (b'{"a": 1', "line 1 column 8"),
        (b"[1] x", "line 1 column 5"),
        (b'"a\nb"', "line 1 column 3"),
        (b"'a'", "line 1 column 1"),
    ],
)
def test_what_is_not_json_is_placed(body: bytes, place: str) -> None:
    assert refusal_of(body).detail.startswith(f"Not valid JSON: {place} (")


@pytest.mark.parametrize("body", [b'"\xff"', b'"\xe4"', b'"\xed\xa0\x80"'])
def test_bytes_that_are_not_utf8_are_refused(body: bytes) -> None:
    assert refusal_of(body).detail.startswith("Body is not UTF-8")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"])
def test_other_unicode_is_asked_to_be_utf8(encoding: str) -> None:
    assert "Send UTF-8" in refusal_of('{"a": 1}'.encode(encoding)).detail


def test_a_byte_order_mark_counts_as_absent() -> None:
    assert loads(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "9" * 31])
def test_a_number_that_is_none_names_its_field(number: str) -> None:
    body = f'{{"lines": [{{"ok": 1}}, {{"net/amount": {number}}}]}}'

    error = refusal_of(body.encode())

    assert error.detail.startswith("/lines/1/net~1amount: not a number")
    assert [finding.where for finding in error.findings] == ["/lines/1/net~1amount"]


def test_thirty_digits_are_still_a_number() -> None:
    assert loads(b"9" * 30) == 10**30 - 1


def test_five_thousand_digits_name_the_field() -> None:
    error = refusal_of(b'{"payable_amount": ' + b"7" * 5_000 + b"}")

    assert error.detail == "/payable_amount: not a number of at most 30 digits"


def test_what_follows_a_bad_number_may_be_bad_too() -> None:
    assert refusal_of(b"[NaN, {]").detail.startswith("Not valid JSON: line 1 column 8")
    assert refusal_of(b"[NaN, " + b"[" * 100_000).detail.startswith("Nested too deeply")


def test_a_bad_number_alone_is_the_root() -> None:
    assert refusal_of(b"NaN").findings[0].where == ""


def test_a_repeated_key_is_named() -> None:
    error = refusal_of(b'[{"amount": "1.00", "currency": "EUR", "amount": "9.00"}]')

    assert error.detail == "Key 'amount' appears twice"


def test_keys_are_compared_after_their_escapes() -> None:
    assert "appears twice" in refusal_of(b'{"a": 1, "\\u0061": 2}').detail


def test_an_object_has_at_most_a_thousand_keys() -> None:
    members = {f"k{number}": 1 for number in range(1_000)}

    assert loads(json.dumps(members).encode()) == members
    assert refusal_of(json.dumps({**members, "k": 1}).encode()).detail == (
        "Too many keys in one object: at most 1,000"
    )


@pytest.mark.parametrize("depth", [51, 200, 2_000, 100_000])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_deep_nesting_is_refused(depth: int, opening: str, closing: str) -> None:
    body = opening * depth + "1" + closing * depth

    assert refusal_of(body.encode()).detail.startswith("Nested too deeply")


def test_fifty_levels_are_read() -> None:
    assert loads(b"[" * 50 + b"]" * 50)


def test_many_shallow_brackets_are_no_depth() -> None:
    assert loads(b"[" + b"[{}]," * 1_000 + b'"[[[[[["]')


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**29), 10**29) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(json_values)
def test_any_json_without_floats_comes_back(value: object) -> None:
    assert loads(json.dumps(value).encode()) == value


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    for read in (loads, split_array, split_lines):
        with suppress(UnreadableError):
            read(body)


def test_an_array_is_cut_into_its_own_bytes() -> None:
    body = b'\xef\xbb\xbf [ {"a" : "\xc3\xa4, ]"} ,\n1e5,[ 1 , 2 ], "x\\"y"]\n'

    pieces = split_array(body)

    assert pieces == [b'{"a" : "\xc3\xa4, ]"}', b"1e5", b"[ 1 , 2 ]", b'"x\\"y"']


@given(st.lists(json_values, max_size=5), st.sampled_from([None, 2]))
def test_cutting_loses_no_byte(values: list[object], indent: int | None) -> None:
    body = json.dumps(values, ensure_ascii=True, indent=indent).encode()

    pieces = split_array(body)

    assert [json.loads(piece) for piece in pieces] == values
    assert all(piece in body for piece in pieces)


def test_elements_are_judged_one_by_one_later() -> None:
    assert split_array(b'[NaN, {"a": 1, "a": 2}, 1e999]') == [b"NaN", b'{"a": 1, "a": 2}', b"1e999"]


@pytest.mark.parametrize("body", [b"[1,]", b"[1 2]", b"[1", b"[", b"[1] 2", b"[,1]", b"[{]"])
def test_an_array_must_be_whole(body: bytes) -> None:
    with pytest.raises(UnreadableError, match="Not valid JSON: line 1 column"):
        split_array(body)


@pytest.mark.parametrize("body", [b"{}", b"1", b'"[]"'])
def test_only_an_array_is_cut(body: bytes) -> None:
    with pytest.raises(UnreadableError, match="Expected an array"):
        split_array(body)


def test_a_deep_array_is_not_cut() -> None:
    with pytest.raises(UnreadableError, match="Nested too deeply"):
        split_array(b"[" * 100_000)


def test_an_empty_array_has_no_pieces() -> None:
    assert split_array(b" [ ] ") == []


def test_lines_are_cut_without_their_ends() -> None:
    body = b'\xef\xbb\xbf{"a": 1}\r\n\n  {"b": "\xc3\xa4"}\t\n{"c":3}'

    assert split_lines(body) == [b'{"a": 1}', b'{"b": "\xc3\xa4"}', b'{"c":3}']


@pytest.mark.parametrize("body", [b"", b"\n\r\n \n"])
def test_no_lines_are_no_body(body: bytes) -> None:
    with pytest.raises(UnreadableError, match="The request has no body"):
        split_lines(body)


def test_a_thousand_items_are_the_most() -> None:
    assert len(split_array(b"[" + b"1," * 999 + b"1]")) == 1_000
    assert len(split_lines(b"1\n" * 1_000)) == 1_000
    with pytest.raises(TooLargeError, match="at most 1,000"):
        split_array(b"[" + b"1," * 1_000 + b"1]")
    with pytest.raises(TooLargeError, match="at most 2 "):
        split_lines(b"1\n2\n3", limit=2)
