from pathlib import Path

import pytest

from core.envfile import EnvFileError, parse, read


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("A=b", "b"),
        ("  export A = b c  ", "b c"),
        ("A=", ""),
        ("A=b # a comment", "b"),
        ("A=# a comment", ""),
        ("A=b#c", "b#c"),
        ("A=a=b&c=$HOME", "a=b&c=$HOME"),
        ("A='b # c \\n'  # quoted", "b # c \\n"),
        (r'A="b\t\"c\" \\ \d"', 'b\t"c" \\ \\d'),
        ("A=b\r", "b"),
        ("A=1\nA=2", "2"),
    ],
)
def test_a_line_is_read(line: str, value: str) -> None:
    assert parse(line) == {"A": value}


def test_empty_lines_and_comments_are_skipped() -> None:
    assert parse("\n# one\n   \n  # two\nA=b\n") == {"A": "b"}


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("A=b\n  hunter2\n", "line 2, column 3"),
        ("1A=hunter2", "line 1, column 1"),
        ("A='hunter2", "line 1, column 3"),
        ('A="hunter2" more', "line 1, column 3"),
    ],
)
def test_a_bad_line_is_named_without_its_value(text: str, place: str) -> None:
    with pytest.raises(EnvFileError) as caught:
        parse(text)

    assert str(caught.value).startswith(place)
    assert "hunter2" not in str(caught.value)


def test_no_file_is_no_names(tmp_path: Path) -> None:
    assert read(tmp_path / ".env") == {}


def test_a_byte_order_mark_is_no_part_of_the_first_name(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_bytes(b"\xef\xbb\xbfA=b\n")

    assert read(path) == {"A": "b"}


def test_a_file_that_is_not_utf8_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_bytes(b"A=b\nB=\xff\n")

    with pytest.raises(EnvFileError, match=r"^line 2: not UTF-8"):
        read(path)
