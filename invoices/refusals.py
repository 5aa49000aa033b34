"""The error for a document that breaks rules."""

from collections.abc import Sequence
from typing import Final

from core.errors import Finding, InputError

MAX_FINDINGS: Final = 100


def refusal(findings: Sequence[Finding]) -> InputError:
    """Build the error for what was found: at least one finding, of which 100 are kept."""
    first = findings[0]
    detail = f"{first.where}: {first.message}" if first.where else first.message
    if len(findings) > 1:
        detail = f"{len(findings)} rules are broken; the first at {detail}"
    return InputError(detail, findings=findings[:MAX_FINDINGS])
