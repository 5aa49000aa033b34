"""A page of the desk that shows no table: who may open it, and no second try."""

from typing import Any, ClassVar

from flask.typing import ResponseReturnValue

from admin.access import Role, holds, refusal


class Page:
    """What Flask-Admin asks of a page, answered by a role; stands before its own base class."""

    see_role: ClassVar[Role] = Role.VIEWER

    def is_accessible(self) -> bool:
        """Tell whether the person at the screen may open it."""
        return holds(self.see_role)

    def _handle_view(self, name: str, **kwargs: Any) -> ResponseReturnValue | None:  # noqa: ARG002
        return refusal(self.see_role)

    def _run_view(self, fn: Any, *args: Any, **kwargs: Any) -> Any:
        # Flask-Admin tries again after a TypeError, which would hide ours.
        return fn(self, *args, **kwargs)
