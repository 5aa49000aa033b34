"""Which request or task a log line belongs to, and which rows: said once, then in every line.

Each edge begins anew (`begin`, `end`); in between, `bind` adds what is known for a while. The names
in use are `request_id`, `task`, `task_id`, `invoice_id` and `delivery_id`.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType

_NOTHING: Mapping[str, object] = MappingProxyType({})
_bound: ContextVar[Mapping[str, object]] = ContextVar("kuvert_log_context", default=_NOTHING)


def begin(**fields: object) -> None:
    """Begin a request or task: forget what this thread did before, and bind `fields`."""
    _bound.set(fields)


def end() -> None:
    """Bind nothing any more."""
    _bound.set(_NOTHING)


@contextmanager
def bind(**fields: object) -> Iterator[None]:
    """Put `fields` into every line of the block, beside what is bound already."""
    before = _bound.set({**_bound.get(), **fields})
    try:
        yield
    finally:
        _bound.reset(before)


def bound() -> Mapping[str, object]:
    """Return what is bound."""
    return _bound.get()
