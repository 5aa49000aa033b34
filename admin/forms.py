"""Forms of staff: a written list of fields each, CSRF by Flask-WTF, and who else has changed it."""

import json
import logging
import re
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any
from uuid import UUID

from flask import request
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_security import current_user
from flask_wtf import FlaskForm
from flask_wtf.form import _Auto
from sqlalchemy import select
from wtforms import (
    Field,
    HiddenField,
    IntegerField,
    SelectField,
    SelectMultipleField,
    StringField,
    TextAreaField,
    ValidationError,
)
from wtforms.fields.choices import SelectChoice
from wtforms.validators import Length
from wtforms.widgets import CheckboxInput, DateTimeLocalInput

from admin.cells import zone
from core.db import reading
from core.errors import KuvertError
from core.models import Base
from core.schedules.timing import read_time
from core.secrets import check_reference

logger = logging.getLogger("kuvert.access")

LONGEST_INTEGER = 9
_AMOUNT = re.compile(r"[+-]?[0-9]{1,14}(\.[0-9]{1,4})?")
_SENT = frozenset({"action", "rowid", "id", "confirmed", "seen", "url", "csrf_token"})
"""What is sent beside the fields of a form."""

Filter = Callable[[Any], Any]


def stripped(value: str | None) -> str | None:
    """Take blanks off both ends; nothing is left of an empty text."""
    return (value.strip() or None) if isinstance(value, str) else value


def printable(form: FlaskForm, field: Field) -> None:  # noqa: ARG001
    """Refuse control characters, which no name or address has.

    Raises:
        ValidationError: the message names the character.
    """
    text = field.data if isinstance(field.data, str) else ""
    wrong = next((sign for sign in text if ord(sign) < ord(" ") and sign not in "\r\n\t"), None)
    if wrong is not None or "\x7f" in text:
        raise ValidationError(
            _("has a character that cannot be shown (U+%(code)04X)", code=ord(wrong or "\x7f"))
        )


def options(pairs: Iterable[tuple[object, Any]]) -> list[SelectChoice]:
    """Return what a field offers: values, and the words that people see."""
    return [SelectChoice(value=str(value), label=words) for value, words in pairs]


def words_of(values: Iterable[str]) -> list[SelectChoice]:
    """Return the same for values that are words already."""
    return options((value, str(value).replace("_", " ")) for value in values)


class AdminForm(FlaskForm):
    """The base of all forms. Flask-Admin hands the row over as `obj`."""

    def __init__(
        self, formdata: Any = _Auto, obj: Any = None, prefix: str = "", **kwargs: Any
    ) -> None:
        self._obj = obj
        self.conflict: KuvertError | None = None
        super().__init__(formdata=formdata, obj=obj, prefix=prefix, **kwargs)

    def why(self) -> str | None:
        """Return the reason that was given, where the form asks for one."""
        field = self._fields.get("reason") or self._fields.get("comment")
        return field.data if field is not None else None

    def words(self, *names: str) -> dict[str, Any]:
        """Return the values of the fields called `names`."""
        return {name: self[name].data for name in names}

    def validate(self, *args: Any, **kwargs: Any) -> bool:
        """Check the fields; what was sent beside them is ignored, and logged."""
        unknown = sorted({name.split("-")[0] for name in request.form} - _SENT - set(self._fields))
        if unknown:
            extra = {
                "fields": [name[:60] for name in unknown[:20]],
                "route": request.path,
                "who": current_user.email,
            }
            logger.warning("fields that no form has were ignored", extra=extra)
        return bool(super().validate(*args, **kwargs))


class VersionedForm(AdminForm):
    """A form over a row that others edit too: it carries the version that was shown."""

    version = HiddenField()

    def shown_version(self) -> int:
        """Return the version of the row that the person saw; 0 for what is no number."""
        text = str(self.version.data or "")
        return int(text) if text.isdecimal() and len(text) <= LONGEST_INTEGER else 0


class TextField(StringField):
    """One line of text, without blanks at its ends, None when empty."""

    def __init__(self, label: Any, most: int, *validators: Any, **kwargs: Any) -> None:
        rules = [Length(max=most), printable, *validators]
        super().__init__(label, rules, filters=[stripped], **kwargs)


class LinesField(TextAreaField):
    """A list of texts, one a line."""

    def _value(self) -> str:
        return "\n".join(self.data or ())

    def process_formdata(self, valuelist: list[Any]) -> None:
        """Read the lines; empty ones are no items."""
        text = str(valuelist[0]) if valuelist else ""
        self.data = [line.strip() for line in text.splitlines() if line.strip()]


class RowField(SelectField):
    """A row of another table, which is small enough for a list, by what it is called.

    `empty` says what it means to choose none.
    """

    def __init__(
        self, label: Any, model: type[Base], shown: str, empty: Any, **kwargs: Any
    ) -> None:
        self._table, self._shown, self._empty = model.__table__, shown, empty
        super().__init__(label, coerce=_id_or_none, choices=self._read_choices, **kwargs)

    def _read_choices(self) -> list[SelectChoice]:
        shown = self._table.c[self._shown]
        with reading() as connection:
            rows = list(connection.execute(select(self._table.c.id, shown).order_by(shown)))
        return options([("", self._empty), *((str(key), str(name)) for key, name in rows)])


def _id_or_none(value: Any) -> UUID | None:
    return value if isinstance(value, UUID) or value is None else UUID(value) if value else None


class TicksField(SelectMultipleField):
    """Several of a few words, as boxes to tick."""

    option_widget = CheckboxInput()


class LocalTimeField(StringField):
    """A date and a time of day in the desk's zone; None when empty."""

    widget = DateTimeLocalInput()

    def __init__(self, label: Any, *args: Any, description: Any = "", **kwargs: Any) -> None:
        zoned = _("in %(zone)s", zone=zone().key)
        told = f"{zoned}; {description}" if description else zoned
        super().__init__(label, *args, description=told, **kwargs)

    def _value(self) -> str:
        if self.raw_data:
            return str(self.raw_data[0])
        return f"{self.data.astimezone(zone()):%Y-%m-%dT%H:%M}" if self.data else ""

    def process_formdata(self, valuelist: list[Any]) -> None:
        """Read the time.

        Raises:
            ValueError: it is none, or there is no such time in the zone that day.
        """
        text = str(valuelist[0]).strip() if valuelist else ""
        self.data: Any = None
        try:
            self.data = read_time(self.name, text, zone()) if text else None
        except KuvertError as error:
            raise ValueError(error.detail.removeprefix(f"{self.name}: ")) from None


class WholeNumberField(IntegerField):
    """A whole number of at most nine digits, written in ASCII digits."""

    def process_formdata(self, valuelist: list[Any]) -> None:
        """Read the number.

        Raises:
            ValueError: it is none, or a longer one.
        """
        text = str(valuelist[0]).strip() if valuelist else ""
        if not text:
            self.data = None
            return
        digits = text.removeprefix("-")
        if not (digits.isascii() and digits.isdecimal()) or len(digits) > LONGEST_INTEGER:
            self.data = None
            raise ValueError(_("a whole number of at most nine digits"))
        self.data = int(text)


class MoneyField(StringField):
    """An amount with a point before its decimals; grouping and commas are refused, not guessed."""

    def process_formdata(self, valuelist: list[Any]) -> None:
        """Read the amount.

        Raises:
            ValueError: it is no amount, or one that could be read in two ways.
        """
        text = str(valuelist[0]).strip() if valuelist else ""
        self.data: Any = text or None
        if not text:
            return
        if "," in text:
            raise ValueError(
                _("write the amount with a point before the decimals, such as 1234.50")
            )
        if _AMOUNT.fullmatch(text) is None:
            raise ValueError(_("not an amount"))
        self.data = Decimal(text)


class JsonField(TextAreaField):
    """A JSON object of texts, such as the settings of a provider."""

    def _value(self) -> str:
        if self.raw_data:
            return str(self.raw_data[0])
        return json.dumps(self.data or {}, indent=2, ensure_ascii=False)

    def process_formdata(self, valuelist: list[Any]) -> None:
        """Read the object.

        Raises:
            ValueError: it is no JSON object; the message says where it breaks off.
        """
        text = str(valuelist[0]).strip() if valuelist else ""
        try:
            found = json.loads(text or "{}")
        except (ValueError, RecursionError) as error:
            raise ValueError(_("not JSON: %(why)s", why=str(error))) from None
        if not isinstance(found, dict):
            # WTForms takes a ValueError alone for what the person is told.
            raise ValueError(_("a JSON object, such as {}"))  # noqa: TRY004
        self.data = found


class TextsField(JsonField):
    """A JSON object of texts; numbers are taken for theirs."""

    def process_formdata(self, valuelist: list[Any]) -> None:
        """Read the object.

        Raises:
            ValueError: it is none, or something in it is neither text nor number.
        """
        super().process_formdata(valuelist)
        for name, value in self.data.items():
            if isinstance(value, bool) or not isinstance(value, (str, int, float)):
                # WTForms takes a ValueError alone for what the person is told.
                raise ValueError(_("%(name)s: a text in quotes", name=name[:40]))  # noqa: TRY004
        self.data = {name: str(value) for name, value in self.data.items()}


class ReferenceField(TextField):
    """Where a secret is kept. What is no reference may be the secret: it is not shown again."""

    def _value(self) -> str:
        return str(self.data or "") if _is_reference(self.data or "") else ""

    def pre_validate(self, form: Any) -> None:  # noqa: ARG002
        """Refuse what is no reference.

        Raises:
            ValidationError: with what a reference looks like.
        """
        _check_references([self.data] if self.data else [])


class ReferencesField(LinesField):
    """Where secrets are kept, one a line; what is no reference is not shown again."""

    def _value(self) -> str:
        return "\n".join(line for line in self.data or () if _is_reference(line))

    def pre_validate(self, form: Any) -> None:  # noqa: ARG002
        """Refuse what is no reference.

        Raises:
            ValidationError: with what a reference looks like.
        """
        _check_references(self.data or [])


def _is_reference(text: str) -> bool:
    try:
        check_reference(text)
    except KuvertError:
        return False
    return True


def _check_references(texts: list[str]) -> None:
    for text in texts:
        try:
            check_reference(text)
        except KuvertError as error:
            raise ValidationError(error.detail) from None


class ReasonForm(AdminForm):
    """What every act asks: why."""

    reason = TextField(_l("Reason"), 500)
