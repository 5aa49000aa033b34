"""A log receiver of somebody else's: Debian's rsyslog, on loopback, run by nobody special."""

import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.data import missing
from tests.support.ports import free_port
from tests.support.processes import wait_until

PROGRAM = "/usr/sbin/rsyslogd"
START_SECONDS = 20

CONFIGURATION = """
global(workDirectory="{folder}" maxMessageSize="256k")
module(load="imptcp")
module(load="mmjsonparse")
template(name="parsed" type="list") {{ property(name="$!all-json") constant(value="\\n") }}
template(name="raw" type="list") {{ property(name="rawmsg") constant(value="\\n") }}
ruleset(name="lines") {{
  action(type="mmjsonparse" cookie="" container="!" useRawMsg="on")
  if $parsesuccess == "OK" then {{
    action(type="omfile" file="{folder}/parsed" template="parsed")
  }} else {{
    action(type="omfile" file="{folder}/unparsed" template="raw")
  }}
}}
input(type="imptcp" port="{port}" address="127.0.0.1" ruleset="lines"
      supportOctetCountedFraming="off")
"""


class Rsyslog:
    """Takes lines over TCP, parses each as JSON, and writes down what it has understood."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"tcp://127.0.0.1:{self.port}"
        self._owner = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
        text = CONFIGURATION.format(folder=folder, port=self.port)
        (folder / "rsyslog.conf").write_text(text)
        if os.geteuid() == 0:
            os.chown(folder, self._owner.pw_uid, self._owner.pw_gid)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, again if it has ended, and wait until it takes connections."""
        is_root = os.geteuid() == 0
        (self.folder / "pid").unlink(missing_ok=True)
        self._process = subprocess.Popen(
            (
                PROGRAM,
                "-n",
                "-f",
                str(self.folder / "rsyslog.conf"),
                "-i",
                str(self.folder / "pid"),
            ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            user=self._owner.pw_uid if is_root else None,
            group=self._owner.pw_gid if is_root else None,
            extra_groups=[] if is_root else None,
        )
        wait_until(self._listens, START_SECONDS, "rsyslog takes connections")

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End it, with another signal at once."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)
            self._process.wait(20)

    def events(self, logger: str | None = None) -> list[dict[str, Any]]:
        """Return what it has understood, of one logger or of all."""
        found = [json.loads(line) for line in self._lines("parsed")]
        return [event for event in found if logger in {None, event["logger_name"]}]

    def unparsed(self) -> list[str]:
        """Return the lines that it could not read."""
        return self._lines("unparsed")

    def _lines(self, name: str) -> list[str]:
        path = self.folder / name
        if not path.exists():
            return []
        # The last one may be in the making.
        return path.read_text(encoding="utf-8").split("\n")[:-1]


@contextmanager
def rsyslog() -> Iterator[Rsyslog]:
    """Yield a receiver that has started; ends it afterwards and takes its folder away."""
    if not Path(PROGRAM).is_file():
        missing("rsyslog", "make services, or apt-get install rsyslog")
    # The folders of pytest let nobody else in.
    folder = Path(tempfile.mkdtemp(prefix="kuvert-rsyslog-"))
    server = Rsyslog(folder)
    server.start()
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)
