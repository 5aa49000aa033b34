"""What can be wrong with a timing, said in plain words beside the field it is in."""

from core.errors import Finding, InputError


class TimingError(InputError):
    """A timing that cannot be used; `field` names the part that is wrong."""

    where = ""

    def __init__(self, field: str, message: str) -> None:
        self.field = field
        detail = f"{field}: {message}"
        super().__init__(detail, findings=[Finding(self.where or f"/{field}", "timing", detail)])


class CrontabError(TimingError):
    """A crontab expression that cannot be used; `field` is one of its five, or `expression`."""

    where = "/crontab"
