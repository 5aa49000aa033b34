"""gunicorn's own lines, through our logging: `--logger-class core.gunicorn_log.Logger`."""

import logging
from typing import TYPE_CHECKING

from gunicorn.glogging import Logger as GunicornLogger  # type: ignore[import-untyped]

from core import logs
from core.settings import current

if TYPE_CHECKING:
    from gunicorn.config import Config  # type: ignore[import-untyped]


class Logger(GunicornLogger):  # type: ignore[misc]  # gunicorn has no types
    """Hands gunicorn's lines on to the root logger, whose handlers are ours.

    The access log stays off: each request has a line already.
    """

    def setup(self, cfg: "Config") -> None:
        """Set our logging up in gunicorn's main process too."""
        self.cfg = cfg
        logs.set_up(current())
        self.error_log.propagate = True
        self.error_log.handlers.clear()
        self.error_log.setLevel(logging.NOTSET)
        self.access_log.propagate = False
        self._access_log_enabled = False

    def reopen_files(self) -> None:
        """Do nothing: we write to stderr alone."""

    def close_on_exec(self) -> None:
        """Do nothing, likewise."""
