"""An installation without its extras."""

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

import pytest


class _WithoutTypst(PathFinder):
    """Finds what Python finds, as if typst had never been installed."""

    @classmethod
    def find_spec(
        cls, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return None if fullname == "typst" else super().find_spec(fullname, path, target)


def take_typst_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have Python find no typst for the length of a test."""
    others = [finder for finder in sys.meta_path if finder is not PathFinder]
    monkeypatch.setattr(sys, "meta_path", [*others, _WithoutTypst])
    monkeypatch.delitem(sys.modules, "typst", raising=False)
    monkeypatch.delitem(sys.modules, "invoices.pdf.typesetting", raising=False)
