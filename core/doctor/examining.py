"""Asking all checks at once."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

from core import at_once
from core.doctor import broker, connections, life, machine, storage
from core.doctor.findings import Check, Finding, Patient, State, fail, registered, skipped
from core.errors import KuvertError
from core.redaction import redact
from core.settings import Settings

logger = logging.getLogger(__name__)

LONGEST_SECONDS = 12.0
"""How long all checks together may take."""

CHECKS: dict[str, Check] = {
    "settings": machine.settings,
    "secrets": machine.secrets,
    "disk": machine.disk,
    "database": storage.database,
    "migrations": storage.migrations,
    "clock": storage.clock,
    "broker": broker.reachable,
    "queues": broker.queues,
    "consumer timeout": broker.consumer_timeout,
    "dead letters": broker.dead_letters,
    "beat": life.beat,
    "workers": life.workers,
    "dispatch": life.dispatch,
    "backlog": life.backlog,
    "schedule": life.schedule,
    "public address": connections.public_address,
    "private targets": connections.private_targets,
    "mail server": connections.mail_server,
    "logstash": connections.logstash,
}


@dataclass(frozen=True, slots=True)
class Line:
    """A finding and the check it comes from."""

    check: str
    finding: Finding


def examine(app: Flask, on_end: Callable[[str], object] | None = None) -> list[Line]:
    """Ask all checks and return their findings in a fixed order.

    `on_end` is told the name of each check that has ended, from its thread.
    """
    settings: Settings = app.extensions["kuvert_settings"]
    patient = Patient(app, settings)
    checks = all_checks()
    jobs = {name: partial(_ask, name, check, patient) for name, check in checks.items()}
    found = at_once.run(jobs, LONGEST_SECONDS, late=_late, on_end=on_end)
    return [Line(name, finding) for name in checks for finding in found[name]]


def all_checks() -> dict[str, Check]:
    """Return core's checks and those of packages, in the order in which they are shown."""
    return {**CHECKS, **registered()}


def is_healthy(lines: Sequence[Line]) -> bool:
    """Tell whether nothing has failed."""
    return not any(line.finding.state is State.FAIL for line in lines)


def _ask(name: str, check: Check, patient: Patient) -> list[Finding]:
    try:
        with patient.app.app_context():
            return [_clean(finding) for finding in check(patient)]
    except SQLAlchemyError as error:
        logger.info("check without the database", extra={"check": name, "error": str(error)})
        return [skipped("it needs the database, which does not answer")]
    except KuvertError as error:
        return [fail(redact(error.detail), "")]
    except Exception as error:
        # The other findings are worth having whatever one check meets.
        logger.exception("a check failed", extra={"check": name})
        return [fail(f"the check itself failed: {type(error).__name__}", "see the log")]


def _clean(finding: Finding) -> Finding:
    """Return a finding that shows no secret, though others' words are in it."""
    return Finding(finding.state, redact(finding.means), finding.remedy, finding.about)


def _late(name: str) -> list[Finding]:  # noqa: ARG001 - as at_once calls it
    why = f"no answer within {LONGEST_SECONDS:g} s"
    return [fail(why, "a firewall may drop it, or what is asked hangs")]
