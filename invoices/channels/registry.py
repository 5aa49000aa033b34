"""Which channels there are."""

from invoices.channels import Channel
from invoices.channels.http import HttpChannel
from invoices.channels.smtp import SmtpChannel
from invoices.models import ChannelName

_channels: dict[str, Channel] = {
    # The sandbox is a provider on HTTP like any other; its name tells test keys where to go.
    ChannelName.HTTP: HttpChannel(),
    ChannelName.SMTP: SmtpChannel(),
    ChannelName.SANDBOX: HttpChannel(),
}


def has(name: str) -> bool:
    """Tell whether there is a channel called `name`."""
    return name in _channels


def get(name: str) -> Channel:
    """Return the channel called `name`."""
    return _channels[name]
