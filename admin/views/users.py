"""Staff: who may log in, and as what."""

from typing import Any
from uuid import UUID

from flask import g
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext
from markupsafe import Markup
from sqlalchemy import Connection, Row, func, select
from wtforms import BooleanField, SelectField
from wtforms.validators import DataRequired

from admin import cells, filters, listing
from admin.access import Role, who
from admin.acts import Act, ActForm
from admin.forms import AdminForm, TextField, options
from admin.reports import Made, Report
from admin.view import DeskView
from core.errors import ConflictError, NotFoundError
from core.people import services
from core.people.models import Passkey, User

USERS = User.__table__
PASSKEYS = Passkey.__table__

ROLES = options(
    [
        (Role.VIEWER, _l("viewer: sees and exports")),
        (Role.OPERATOR, _l("operator: decides about single invoices, pauses providers")),
        (Role.APPROVER, _l("approver: what reaches somebody twice, or changes many rows")),
        (Role.ADMIN, _l("admin: sets Kuvert up, and who may do what")),
    ]
)


class UserForm(AdminForm):
    """Somebody new."""

    email = TextField(_l("Mail address"), 254, DataRequired(_l("needed to log in")))
    role = SelectField(_l("Role"), choices=ROLES, default=str(Role.VIEWER))


class RoleForm(ActForm):
    """Another role."""

    role = SelectField(_l("Role"), choices=ROLES)


class ResetForm(ActForm):
    """Whether the second factors go too."""

    forget = BooleanField(_l("Take authenticator app, recovery codes and passkeys away as well"))


def _email(connection: Connection, key: UUID) -> str:
    found = connection.scalar(select(USERS.c.email).where(USERS.c.id == key))
    if found is None:
        raise NotFoundError(_("There is no such user"))
    return str(found)


def _other(connection: Connection, key: UUID, why: str) -> str:
    """Return the address of somebody who is not the person at the screen."""
    email = _email(connection, key)
    if email == who():
        raise ConflictError(why)
    return email


def _set_role(connection: Connection, key: UUID, form: Any) -> None:
    why = _("Nobody changes the role of their own: another admin has to")
    services.set_role(connection, _other(connection, key, why), form.role.data)


def _disable(connection: Connection, key: UUID, form: ActForm) -> None:  # noqa: ARG001
    why = _("Nobody locks themselves out: another admin has to")
    services.disable(connection, _other(connection, key, why))


def _enable(connection: Connection, key: UUID, form: ActForm) -> None:  # noqa: ARG001
    services.enable(connection, _email(connection, key))


def _unlock(connection: Connection, key: UUID, form: ActForm) -> None:  # noqa: ARG001
    services.unlock(connection, _email(connection, key))


def _password(email: str, password: str) -> Report:
    """Show a password this once."""
    text = _("Hand it over in a way that nobody else reads. They can change it once they are in.")
    return Report(title=_("The password of %(email)s", email=email), text=text, secret=password)


def _reset(connection: Connection, key: UUID, form: Any) -> Report:
    email = _email(connection, key)
    forget = bool(form.forget.data)
    password = services.reset_password(connection, email, forget_second_factors=forget)
    return _password(email, password)


ACTS = (
    Act(
        name="role",
        label=_l("Change the role"),
        question=_l("Their sessions end; they log in anew with the other role."),
        role=Role.ADMIN,
        run=_set_role,
        form=RoleForm,
        needs_fresh=True,
    ),
    Act(
        name="reset",
        label=_l("New password"),
        question=_l("Their sessions end. The new password is shown to you once."),
        role=Role.ADMIN,
        run=_reset,
        form=ResetForm,
        needs_fresh=True,
        is_for_many=False,
    ),
    Act(
        name="unlock",
        label=_l("Unlock"),
        question=_l("Failed logins are forgotten: the next try need not wait."),
        role=Role.ADMIN,
        run=_unlock,
        needs_fresh=True,
    ),
    Act(
        name="enable",
        label=_l("Enable"),
        question=_l("They may log in again, with the password and role they had."),
        role=Role.ADMIN,
        run=_enable,
        fits=lambda row: not row.active,
        needs_fresh=True,
    ),
    Act(
        name="disable",
        label=_l("Disable"),
        question=_l("Their sessions end at once, and they cannot log in."),
        role=Role.ADMIN,
        run=_disable,
        fits=lambda row: bool(row.active),
        needs_fresh=True,
        is_dangerous=True,
    ),
)


def _state(view: object, context: object, row: Row[Any], name: str) -> Markup:  # noqa: ARG001
    return cells.badge_of("active" if row._mapping[name] else "disabled")


def _factors(view: object, context: object, row: Row[Any], name: str) -> Markup | str:  # noqa: ARG001
    """Say what somebody proves who they are with, beside the password."""
    keys = g.get("kuvert_passkeys", {}).get(row.id, 0)
    words = [_("authenticator app")] if row.tf_primary_method else []
    words += [ngettext("%(num)s passkey", "%(num)s passkeys", keys)] if keys else []
    return ", ".join(words) or cells.NOTHING


class Users(DeskView):
    """Everybody of staff. Rows stay: what somebody did keeps its name."""

    model = User
    title_column = "email"
    columns = ("email", "role", "active", "second_factors", "current_login_at", "created_at")
    more_columns = ("tf_primary_method",)
    hidden = frozenset({"last_login_at", "last_login_ip"})
    sortable = ("email",)
    searched = ("email",)
    narrowed_by = (
        filters.OneOf("role", _l("Role"), Role),
        filters.YesNo("active", _l("May log in")),
    )
    formats = {"active": _state, "second_factors": _factors}
    details = (
        "email",
        "role",
        "active",
        "current_login_at",
        "current_login_ip",
        "login_count",
        "password_changed_at",
        "created_at",
        "updated_at",
    )
    acts = ACTS
    see_role = Role.ADMIN
    create_words = _l("Add a user")
    create_role = Role.ADMIN
    needs_fresh = True
    form = UserForm

    def create(self, connection: Connection, form: Any) -> Made:
        """Add somebody; their first password is shown once."""
        password = services.add(connection, form.email.data, form.role.data)
        added = services.find(connection, form.email.data)
        return Made(added.id, _password(added.email, password))

    def overview(self, connection: Connection, wanted: listing.Wanted) -> dict[str, Any]:  # noqa: ARG002
        """Count the passkeys, for the column of second factors."""
        _count_passkeys(connection)
        return {}

    def about(self, connection: Connection, row: Row[Any]) -> dict[str, Any]:
        """Return what somebody logs in with beside the password, and what they have changed."""
        _count_passkeys(connection, PASSKEYS.c.user_id == row.id)
        changes = self.get_url("audit.index_view", actor=row.email)
        return {
            "badge": _state(self, None, row, "active"),
            "facts": {
                _("Second factors"): _factors(self, None, row, "second_factors"),
                _("Audit"): cells.link(changes, _("what they have changed")),
            },
        }


def _count_passkeys(connection: Connection, *clauses: Any) -> None:
    keys = select(PASSKEYS.c.user_id, func.count()).where(*clauses).group_by(PASSKEYS.c.user_id)
    g.kuvert_passkeys = dict(map(tuple, connection.execute(keys)))
