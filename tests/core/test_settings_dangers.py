from pathlib import Path

import pytest

from tests.support.loading import KEY, POSTGRESQL, load, problem

PRODUCTION = {
    "ENVIRONMENT": "production",
    "SECRET_KEY": KEY,
    "DATABASE_URL": POSTGRESQL,
    "BROKER_URL": "amqp://kuvert:hunter2@rabbit.internal/kuvert",
    "PUBLIC_URL": "https://invoices.example.org",
    "PROXIES": "1",
}


# Production


def test_a_safe_production_starts(tmp_path: Path) -> None:
    result = load(tmp_path, **PRODUCTION)

    assert result.is_production
    assert result.warnings == ()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("SECRET_KEY", "16-to-31-letters-AbCdEf"),
        ("SECRET_KEY", "changeme-changeme-changeme-changeme"),
        ("SECRET_KEY", "abcabcabcabcabcabcabcabcabcabcabcabc"),
        ("SECRET_KEY", "django-insecure-u3k1x9w7q5b4n2m8v6c0z"),
        ("PUBLIC_URL", "http://invoices.example.org"),
        ("BROKER_URL", "amqp://guest:guest@rabbit.internal/"),
        ("BROKER_URL", "amqp://kuvert:guest@10.0.0.7/"),
    ],
)
def test_production_refuses_what_is_insecure(tmp_path: Path, name: str, text: str) -> None:
    """G03, G05."""
    line = problem(tmp_path, **{**PRODUCTION, name: text})

    assert line.startswith(f"KUVERT_{name}: ")
    assert text not in line


def test_production_refuses_private_targets(tmp_path: Path) -> None:
    line = problem(tmp_path, **PRODUCTION, ALLOW_PRIVATE_TARGETS="on")

    assert line == "KUVERT_ALLOW_PRIVATE_TARGETS: on in production; set off"


def test_production_in_capitals_is_production(tmp_path: Path) -> None:
    assert load(tmp_path, **{**PRODUCTION, "ENVIRONMENT": "PRODUCTION"}).is_production


def test_production_without_any_setting_says_all(tmp_path: Path) -> None:
    assert problem(tmp_path, ENVIRONMENT="production").startswith("KUVERT_PUBLIC_URL: http")


def test_guest_on_this_machine_is_let_be(tmp_path: Path) -> None:
    broker = "amqp://guest:guest@localhost/"

    assert load(tmp_path, **{**PRODUCTION, "BROKER_URL": broker}).warnings == ()


# Warnings


@pytest.mark.parametrize(
    ("values", "part"),
    [
        ({**PRODUCTION, "DATABASE_URL": "sqlite:////srv/kuvert.db"}, "serves one machine"),
        ({**PRODUCTION, "PROXIES": "0"}, "as from one address"),
        ({"BROKER_URL": "amqp://u:p@rabbit.internal/"}, "cannot see the SQLite file"),
        ({"BROKER_URL": "amqp://localhost/"}, "no password"),
        ({"BROKER_URL": "amqp://guest:guest@rabbit.internal/"}, "production refuses it"),
    ],
)
def test_what_is_doubtful_is_warned_of(tmp_path: Path, values: dict[str, str], part: str) -> None:
    """G05, G10."""
    assert any(part in line for line in load(tmp_path, **values).warnings)


def test_secrets_are_not_in_the_repr(tmp_path: Path) -> None:
    result = load(tmp_path, **PRODUCTION, SMTP_URL="smtp://u:hunter2@mail")

    assert "hunter2" not in repr(result)
    assert KEY not in repr(result)
