"""A folder as the queue, for the set-up that needs no server.

Kombu's own writes a message into a file that its reader already sees: a reader that comes a
moment too early finds it empty, cannot read it, and that ends the worker. Here a message gets its
name when it is whole.
"""

from pathlib import Path
from time import monotonic
from typing import Any
from uuid import uuid4

from kombu import transport
from kombu.exceptions import ChannelError
from kombu.transport import filesystem
from kombu.utils.json import dumps


class Channel(filesystem.Channel):
    """Kombu's channel, with messages that appear at once."""

    def _put(self, queue: str, payload: dict[str, Any], **_: Any) -> None:  # type: ignore[override]  # noqa: ANN401
        name = f"{round(monotonic() * 1000)}_{uuid4()}.{queue}.msg"
        whole = Path(self.data_folder_out, name)
        part = whole.with_name(f"{name}.part")
        try:
            part.write_text(dumps(payload), encoding="utf-8")
            part.replace(whole)
        except OSError as error:
            part.unlink(missing_ok=True)
            raise ChannelError(f"cannot write {whole}: {error}") from error


class Transport(filesystem.Transport):
    """What `filesystem://` names once `use` was called."""

    Channel = Channel


def use() -> None:
    """Let `filesystem://` mean this transport in this process."""
    transport.TRANSPORT_ALIASES["filesystem"] = f"{__name__}:Transport"
