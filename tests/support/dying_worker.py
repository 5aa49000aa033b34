"""manage.py, whose tasks of work kill their process: `python -m tests.support.dying_worker FILE …`.

Each appends what it was asked for to FILE before, as one that needs more memory than there is would
be killed before it has written anything.
"""

import os
import signal
import sys
from pathlib import Path
from typing import NoReturn

from core import pump

if __name__ == "__main__":
    file = Path(sys.argv.pop(1))

    def die(_connection: object, _pump: object, token_or_id: str, *_more: object) -> NoReturn:
        """Say what for, and end."""
        with file.open("a") as lines:
            print(token_or_id, file=lines)
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("nobody survives that")

    vars(pump)["open_message"] = die
    import manage

    sys.exit(manage.main())
