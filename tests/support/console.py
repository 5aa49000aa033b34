"""Commands inside the test's own process and application: quick, and on every engine."""

import json
from dataclasses import dataclass
from typing import Any

import pytest
from flask import Flask

import manage
from core import app as app_module
from core import cli_app
from core.cli import LazyGroup, run


@dataclass(frozen=True)
class Done:
    """How a command ended, and what it wrote."""

    code: int
    out: str
    err: str

    def json(self) -> Any:  # noqa: ANN401
        """Read what it wrote as one JSON document; it must have succeeded."""
        assert self.code == 0, self.err
        return json.loads(self.out)

    def lines(self) -> list[dict[str, Any]]:
        """Read what it wrote as one JSON object per line."""
        return [json.loads(line) for line in self.out.splitlines()]


class Console:
    """The command line over an application that is there already."""

    def __init__(
        self, app: Flask, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(app_module, "create_app", lambda **_: app)
        # The test's own logging stays as it is.
        monkeypatch.setattr(cli_app, "set_up", lambda _: None)
        self._capsys = capsys
        self._group = LazyGroup(manage.COMMANDS, about="Kuvert")

    def __call__(self, *args: object) -> Done:
        """Run one command."""
        self._capsys.readouterr()
        try:
            code = run(self._group, [str(arg) for arg in args])
        except SystemExit as error:
            code = int(error.code or 0)
        written = self._capsys.readouterr()
        return Done(code, written.out, written.err)
