"""What a page of staff says, as its reader sees it."""

import html
import re

_WRONG = re.compile(r'<strong class="wrong">([^<]*)</strong>')


def complaints(page: str) -> str:
    """Return what stands beside the fields that were refused."""
    return "\n".join(html.unescape(text) for text in _WRONG.findall(page))
