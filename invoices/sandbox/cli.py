"""`manage.py sandbox`: a provider to try Kuvert with."""

import signal
import socket
from typing import TYPE_CHECKING

import click

from core.errors import KuvertError

if TYPE_CHECKING:
    from invoices.sandbox.instance import Callbacks, Sandbox

_PORTS = range(65_536)


class Bind(click.ParamType[tuple[str, int]]):
    """An address to listen on: `HOST:PORT`, IPv6 in brackets."""

    name = "HOST:PORT"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, int]:
        """Split the address; fail as click does when it is none."""
        if isinstance(value, tuple):
            return value
        host, _, port = str(value).rpartition(":")
        host = host.removeprefix("[").removesuffix("]")
        if not host or not (port.isascii() and port.isdigit()) or int(port) not in _PORTS:
            self.fail(f"{value!r} is not HOST:PORT", param, ctx)
        return host, int(port)


@click.command()
@click.option("--bind", type=Bind(), default="127.0.0.1:8090", show_default=True)
@click.option("--callback-url", help="Where to report; nothing is reported without it.")
@click.option("--secret-ref", metavar="env:NAME", help="Secret that signs the callbacks.")
@click.option(
    "--delay",
    type=click.FloatRange(0, 3600),
    default=0.5,
    show_default=True,
    help="Seconds from acceptance to callback.",
)
@click.option(
    "--slow-seconds",
    type=click.FloatRange(0, 3600),
    default=5.0,
    show_default=True,
    help="Seconds that slow@ takes to answer.",
)
def sandbox(
    bind: tuple[str, int],
    callback_url: str | None,
    secret_ref: str | None,
    delay: float,
    slow_seconds: float,
) -> None:
    """Run a provider that behaves like a real one.

    The recipient chooses what happens: deliver, bounce, refuse, timeout, error, busy, slow,
    duplicate, early, forged, unmapped or silent, each at sandbox.example.
    """
    # Imported here, so that --help is quick.
    from invoices.sandbox.instance import Sandbox

    callbacks = _callbacks(callback_url, secret_ref, delay)
    try:
        instance = Sandbox(*bind, callbacks=callbacks, slow_seconds=slow_seconds)
    except OSError as error:
        reason = error.strerror or str(error)
        raise click.ClickException(f"cannot listen on {bind[0]} port {bind[1]}: {reason}") from None
    _run(instance)


def _callbacks(url: str | None, secret_ref: str | None, delay: float) -> "Callbacks | None":
    """Read how to call back; None where no address is given."""
    from core.secrets import resolve
    from core.targets import check_url
    from core.webhooks import Secret
    from invoices.sandbox.instance import Callbacks

    if url is None:
        return None
    if secret_ref is None:
        raise click.UsageError("--callback-url needs --secret-ref: callbacks are signed")
    try:
        check_url(url, allow_private=True, allow_http=True)
    except KuvertError as error:
        raise click.BadParameter(error.detail, param_hint="--callback-url") from None
    try:
        return Callbacks(url=url, secret=Secret.parse(resolve(secret_ref)), delay=delay)
    except KuvertError as error:
        raise click.BadParameter(error.detail, param_hint="--secret-ref") from None


def _run(instance: "Sandbox") -> None:
    """Serve until SIGTERM or Ctrl-C; exit with 130 after Ctrl-C, as commands do."""
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    # The number is written by whichever thread the signal interrupts, so that none is lost.
    signal.set_wakeup_fd(writer.fileno())
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    with reader, writer, instance:
        click.echo(f"Sandbox provider at {instance.url}/invoices (seen so far: /received)")
        caught = reader.recv(1)[0]
    if caught == signal.SIGINT:
        raise SystemExit(130)
