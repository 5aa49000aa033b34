"""What `doctor` says of providers: state, secrets, and whether they can be reached."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from sqlalchemy import Row, select

from core import at_once, targets
from core.clock import utcnow
from core.db import reading
from core.doctor.connections import connect, sign_in
from core.doctor.findings import Finding, Patient, State, fail, skipped, warn
from core.errors import KuvertError
from core.secrets import resolve
from core.settings import Settings
from invoices.channels import Route
from invoices.mail_route import mail_route
from invoices.models import ChannelName, Provider, ProviderState

PROVIDERS = Provider.__table__

MOST = 50
LONGEST_SECONDS = 9.0


def providers(patient: Patient) -> Iterator[Finding]:
    """Look at each provider; what is called is only connected to."""
    with reading() as connection:
        found = connection.execute(select(PROVIDERS).order_by(PROVIDERS.c.code).limit(MOST)).all()
    if not found:
        yield skipped("there is none yet", "manage.py provider add")
        return
    asked = {row.code: partial(_reach, row, patient.settings) for row in found}
    reached = at_once.run(asked, LONGEST_SECONDS, late=_late)
    for row in found:
        troubles = [*_states(row), *_secrets(row)]
        if not troubles or reached[row.code].state is not State.OK:
            troubles.append(reached[row.code])
        yield from troubles


def _states(row: Row[Any]) -> Iterator[Finding]:
    if row.alarm:
        yield fail(
            f"it refuses us: {row.alarm}; its invoices are held",
            f"mend it, manage.py provider resume {row.code}, release the held invoices",
            about=row.code,
        )
    if row.state != ProviderState.ACTIVE:
        why = f": {row.state_reason}" if row.state_reason else ""
        resume = f"manage.py provider resume {row.code}"
        yield warn(f"it is {row.state}{why}; its invoices wait", resume, about=row.code)
    if row.closed_until is not None and row.closed_until > utcnow():
        yield warn(
            f"{row.failures} calls in a row failed; it is left in peace until"
            f" {row.closed_until:%H:%M:%S} UTC",
            "nothing, if it is known to be away; it is tried again by itself",
            about=row.code,
        )


def _secrets(row: Row[Any]) -> Iterator[Finding]:
    """See that each reference leads to a secret, which nobody is shown."""
    for reference in filter(None, (row.auth_ref, *row.callback_secret_refs)):
        try:
            resolve(reference)
        except KuvertError as error:
            yield fail(
                f"a secret cannot be read here: {error.detail}",
                "set it for all processes of Kuvert, or change the reference (provider edit)",
                about=row.code,
            )


def _reach(row: Row[Any], settings: Settings) -> Finding:
    """Connect to where invoices would go."""
    try:
        finding = _connected(Route.of(row), settings)
    except KuvertError as error:
        finding = fail(error.detail, f"manage.py provider edit {row.code}")
    return Finding(finding.state, finding.means, finding.remedy, row.code)


def _connected(route: Route, settings: Settings) -> Finding:
    if route.channel == ChannelName.SMTP:
        return sign_in(mail_route(route, settings).server)
    may_be_near = settings.allow_private_targets or route.channel == ChannelName.SANDBOX
    target = targets.check_url(route.url or "", allow_private=may_be_near, allow_http=may_be_near)
    addresses = targets.resolve(target, allow_private=may_be_near)
    return connect(addresses, target.port, target.host if target.scheme == "https" else None)


def _late(code: str) -> Finding:
    return fail(f"no answer within {LONGEST_SECONDS:g} s", "a firewall may drop it", about=code)
