#!/usr/bin/env python3
"""Command line of Kuvert: the table of commands, each imported only when it is called."""

import signal
import sys
import threading

# name → (package.module:object, one line of help), in the order of the help.
COMMANDS: dict[str, tuple[str, str]] = {
    "up": ("invoices.cli.up:up", "Run web, worker and beat under one command."),
    "web": ("core.cli_run:web", "Serve the API, callbacks, docs and health."),
    "worker": ("core.cli_run:worker", "Run the pumps and the tasks."),
    "beat": ("core.cli_run:beat", "Ring the timers, and look for work that is due."),
    "db": ("core.cli_db:db", "Bring the database's schema up, take it back, check it."),
    "upgrade": ("core.cli_upgrade:upgrade", "Bring the database to this code, or say what lacks."),
    "backup": ("core.cli_backup:backup", "Back up the database into a file, or verify a backup."),
    "restore": ("core.cli_backup:restore", "Fill the database with a backup."),
    "move": ("core.cli_backup:move", "Move to another database, such as from SQLite."),
    "sandbox": ("invoices.sandbox.cli:sandbox", "Run a provider to try Kuvert with."),
    "user": ("core.cli_user:user", "Say who may log in, and as what."),
    "source": ("invoices.cli.sources:source", "Add, list and disable billing systems."),
    "key": ("invoices.cli.sources:key", "Add, list and revoke API keys."),
    "provider": ("invoices.cli.providers:provider", "Add, list, pause, resume and test providers."),
    "subscription": ("status.cli:subscription", "Say who is told of status events."),
    "invoice": ("invoices.cli.invoices:invoice", "Import, look at and decide invoices."),
    "callback": (
        "callbacks.cli.callbacks:callback",
        "Look at what providers said, replay it, map words.",
    ),
    "mail": ("callbacks.cli.mail:mail", "Read the mailbox that answers to our mails come to."),
    "suppression": (
        "invoices.cli.suppressions:suppression",
        "See which addresses bounced, and let mail go to them again.",
    ),
    "letter": ("invoices.cli.letters:letter", "Look at the mails that carry invoices."),
    "report": ("invoices.cli.reports:report", "Add up what was taken in."),
    "schedule": ("core.cli_schedule_edit:schedule", "See and change when Kuvert does what."),
    "dispatch": (
        "invoices.cli.dispatch:dispatch",
        "Pause and resume all that goes out; see what would.",
    ),
    "purge": ("core.cli_purge:purge", "Take away what was kept for its time."),
    "erase": (
        "callbacks.cli.erase:erase",
        "Take a person out of everything; amounts and history stay.",
    ),
    "legal-hold": (
        "invoices.cli.holds:legal_hold",
        "Keep an invoice or all of an address, whatever its age.",
    ),
    "audit": ("core.cli_audit:audit", "See who changed what, and why."),
    "doctor": ("core.cli_doctor:doctor", "Say whether everything is well, and what to do."),
    "metrics": ("core.cli_metrics:metrics", "Print the metrics for Prometheus."),
    "logs": ("core.cli_logs:logs", "Prove the way to Logstash."),
    "task": ("core.cli_task:task", "Send a task by its wire name."),
}


def main() -> int:
    """Run the command line and return its exit code."""
    sys.unraisablehook = _interrupt_again
    try:
        from core.cli import LazyGroup, run

        return run(LazyGroup(COMMANDS, about="Kuvert, a self-hosted invoice dispatch desk."))
    except KeyboardInterrupt:
        return 130


def _interrupt_again(unraisable: "sys.UnraisableHookArgs") -> None:
    """Let a Ctrl-C count that came where Python drops errors, as in the midst of an import."""
    if issubclass(unraisable.exc_type, KeyboardInterrupt):
        # A moment later: here it would be dropped once more. As a signal to this thread, which is
        # the main one: anything less would not wake it where it waits.
        again = (threading.get_ident(), signal.SIGINT)
        threading.Timer(0.05, signal.pthread_kill, again).start()
    else:
        sys.__unraisablehook__(unraisable)


if __name__ == "__main__":
    sys.exit(main())
