"""What a template may say: `{{ name }}`, `{% if %}`, `~` and three filters, and nothing else.

Templates are written by staff, and what they can do is a written list. There are no attributes,
no calls and no loops, so that there is no way to the insides of Python, and no template takes
longer than its length. Whatever depends on the invoice's data (a choice without `else`, numbers
compared with text) is refused beforehand, so that a template that was kept does not fail later.
"""

import difflib
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from jinja2 import StrictUndefined, Template, TemplateSyntaxError, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from core.errors import Finding
from invoices.letters.wording import VARIABLES

MAX_DEPTH: Final = 20
MAX_LETTER: Final = 200_000
"""Characters that a letter may have."""

_ALLOWED: Final = (
    nodes.Template,
    nodes.Output,
    nodes.TemplateData,
    nodes.Name,
    nodes.Const,
    nodes.If,
    nodes.CondExpr,
    nodes.Compare,
    nodes.Operand,
    nodes.And,
    nodes.Or,
    nodes.Not,
    nodes.Concat,
    nodes.Filter,
)
_CALLED: Final[tuple[tuple[type[nodes.Node], str], ...]] = (
    (nodes.For, "a loop"),
    (nodes.Getattr, "an attribute (a point after a name)"),
    (nodes.Getitem, "an index (brackets after a name)"),
    (nodes.Call, "a call"),
    (nodes.Test, "a test ('is …')"),
    (nodes.BinExpr, "arithmetic"),
    (nodes.UnaryExpr, "arithmetic"),
    (nodes.Include, "another template"),
    (nodes.Extends, "another template"),
    (nodes.Import, "another template"),
    (nodes.FromImport, "another template"),
)
_CAN: Final = (
    "a letter knows {{ name }}, {% if name %}…{% else %}…{% endif %}, and, or, not, ==, !=, ~ "
    "and the filters upper, lower and default"
)
_EQUALITY: Final = frozenset({"eq", "ne"})


def _upper(text: object) -> str:
    return str(text).upper()


def _lower(text: object) -> str:
    return str(text).lower()


def _default(text: object, otherwise: object) -> object:
    """Return `otherwise` where the invoice does not say."""
    return text or otherwise


_FILTERS: Final = {"upper": (_upper, 0), "lower": (_lower, 0), "default": (_default, 1)}
"""Name → what it does, and how many arguments it takes."""


def _environment(*, is_html: bool) -> ImmutableSandboxedEnvironment:
    """Build an environment that knows nothing but the written list."""
    environment = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined, autoescape=is_html, trim_blocks=True, lstrip_blocks=True
    )
    environment.globals.clear()
    environment.tests.clear()
    environment.filters.clear()
    environment.filters.update({name: function for name, (function, _) in _FILTERS.items()})
    return environment


_TEXT: Final = _environment(is_html=False)
_HTML: Final = _environment(is_html=True)


def findings(where: str, source: str) -> tuple[Finding, ...]:
    """Return what `source`, the part of a template at `where`, says beyond the written list."""
    try:
        tree = _TEXT.parse(source)
    except TemplateSyntaxError as error:
        return (_finding(where, error.lineno, f"{error.message}; {_CAN}"),)
    except (RecursionError, ValueError, OverflowError):
        # Thousands of brackets, or a number of thousands of digits.
        return (_finding(where, 1, f"too deep or too long to be read; {_CAN}"),)
    return tuple(_finding(where, line, why) for line, why in _problems(tree))


def _finding(where: str, line: int, why: str) -> Finding:
    return Finding(where, "template", f"line {line}: {why}")


def _problems(tree: nodes.Template) -> Iterator[tuple[int, str]]:
    """Yield the line and the words of each problem; nothing below what is no part of a letter."""
    level: list[nodes.Node] = [tree]
    for _ in range(MAX_DEPTH):
        below: list[nodes.Node] = []
        for node in level:
            why = _problem(node)
            if why is None:
                below.extend(node.iter_child_nodes())
            else:
                yield node.lineno, why
        level = below
    if level:
        yield level[0].lineno, f"more than {MAX_DEPTH} levels deep"


def _problem(node: nodes.Node) -> str | None:
    if not isinstance(node, _ALLOWED):
        called = next((name for kind, name in _CALLED if isinstance(node, kind)), "this")
        return f"{called} is not part of a letter; {_CAN}"
    if isinstance(node, nodes.Name):
        return None if node.name in VARIABLES else _unknown(node.name)
    if isinstance(node, nodes.Filter):
        return _filter_problem(node)
    if isinstance(node, nodes.CondExpr) and node.expr2 is None:
        return "say what to write otherwise: 'a if b else c'"
    if isinstance(node, nodes.Operand) and node.op not in _EQUALITY:
        return f"this comparison is not part of a letter; {_CAN}"
    return None


def _unknown(name: str) -> str:
    near = difflib.get_close_matches(name, VARIABLES, 1)
    meant = f"did you mean {near[0]}? " if near else ""
    return f"there is no '{name[:60]}'; {meant}Known are {', '.join(VARIABLES)}"


def _filter_problem(node: nodes.Filter) -> str | None:
    if node.name not in _FILTERS or node.node is None:
        return f"there is no filter '{node.name[:60]}'; {_CAN}"
    count = _FILTERS[node.name][1]
    if len(node.args) != count or node.kwargs or node.dyn_args or node.dyn_kwargs:
        return f"the filter {node.name} takes {count or 'no'} argument{'s' if count != 1 else ''}"
    return None


@lru_cache(maxsize=256)
def compiled(source: str, *, is_html: bool) -> Template:
    """Return the template of a source without findings, ready to be filled."""
    return (_HTML if is_html else _TEXT).from_string(source)
