"""Secret references."""

import os
from pathlib import Path

import pytest

from core.errors import InputError
from core.secrets import SecretReferenceError, check_reference, resolve


def test_a_variable_is_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROVIDER_TOKEN", "s3cret value")

    assert resolve("env:PROVIDER_TOKEN") == "s3cret value"


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_a_file_is_read_without_its_last_line_break(tmp_path: Path, ending: str) -> None:
    path = tmp_path / "token"
    path.write_bytes(f"grüß\n dich {ending}".encode())

    assert resolve(f"file:{path}") == "grüß\n dich "


def test_a_linked_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "..data").write_text("s3cret")
    (tmp_path / "token").symlink_to("..data")  # as Kubernetes mounts a secret

    assert resolve(f"file:{tmp_path}/token") == "s3cret"


@pytest.mark.parametrize(
    "text",
    [
        *("s3cret", "", "ENV:NAME", "env:", "env:1A", "env:A B", "env:A=B", "env:NÄME"),
        *("file:", "file:token", "file:../token", "file:~/token", "file:/a\nb", "file:/a\x00b"),
        *("file:/proc/self/environ", "file:/etc/../proc/self/environ", "file:/sys/a"),
        "file:/dev/fd/3",
        *("env:KUVERT_SECRET_KEY", "env:KUVERT_DATABASE_URL", "env:kuvert_secret_key"),
        *("vault:secret/token", "https://user:s3cret@example.com", " env:NAME", "env:NAME\n"),
    ],
)  # fmt: skip
def test_what_is_not_a_reference_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(InputError) as caught:
        check_reference(text, where="/auth_ref")

    assert caught.value.findings[0].where == "/auth_ref"
    assert "s3cret" not in caught.value.detail
    with pytest.raises(InputError):
        resolve(text)


@pytest.mark.parametrize("text", ["env:PROVIDER_TOKEN", "env:_x1", "file:/run/secrets/token"])
def test_a_reference_is_returned_without_being_looked_up(text: str) -> None:
    assert check_reference(text) == text


@pytest.mark.parametrize("value", [None, ""])
def test_a_variable_that_is_not_set_is_named(
    monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    monkeypatch.delenv("PROVIDER_TOKEN", raising=False)
    if value is not None:
        monkeypatch.setenv("PROVIDER_TOKEN", value)

    with pytest.raises(SecretReferenceError, match="env:PROVIDER_TOKEN is empty or not set"):
        resolve("env:PROVIDER_TOKEN")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SecretReferenceError, match=r"file:.*/token cannot be read: No such file"):
        resolve(f"file:{tmp_path}/token")


@pytest.mark.parametrize("content", [b"\xff\xfes3cret", b"s3cret" * 11_000, b"", b"\n"])
def test_a_file_that_is_no_text_or_too_large_or_empty_is_named(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "token"
    path.write_bytes(content)

    with pytest.raises(SecretReferenceError, match=f"^file:{path} is ") as caught:
        resolve(f"file:{path}")

    assert "s3cret" not in caught.value.detail
    assert caught.value.__cause__ is None


def test_a_folder_a_pipe_and_a_link_into_the_kernel_are_no_secrets(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("/proc/self/environ")
    (tmp_path / "circle").symlink_to(tmp_path / "circle")

    for path in (tmp_path, tmp_path / "pipe", tmp_path / "link"):
        with pytest.raises(SecretReferenceError, match="is not a regular file"):
            resolve(f"file:{path}")
    with pytest.raises(SecretReferenceError, match="cannot be read"):
        resolve(f"file:{tmp_path}/circle")
