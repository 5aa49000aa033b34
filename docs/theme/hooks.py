"""What MkDocs is told beyond mkdocs.yml: how pages link to what lies outside `docs/`.

The pages are written to be read as files too, so they link to `../README.md` and `../deploy/…`,
and those of the root to `docs/…`. A site has no outside: what is linked there is taken in, and the
links are written anew. MkDocs has no types, hence `Any`.
"""

import os
import re
from pathlib import Path, PurePosixPath
from typing import Any

from mkdocs.structure.files import File

ROOT = Path(__file__).parents[2]
PAGES = {name: name.lower() for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")}
"""Pages of the root, and what the site calls them; it takes no README.md beside an index.md."""

_FILES = {"static/admin/icon.svg"}
_CODE = re.compile(r"(?<!</span>)<code>([^<\n]+)</code>")
"""Code in a line; that of a block has a span before it."""
_OPTION = re.compile(r"(?<![\w-])(--[a-z][a-z-]+)")
_LONG = 16
_LINK = re.compile(r"(?<=\]\()(?!\w+:)[^)#\s]+")


def on_files(files: Any, config: Any) -> Any:
    """Take in the pages of the root, and every file that a page links to."""
    sources = [ROOT / name for name in PAGES]
    sources += [Path(page.abs_src_path) for page in files.documentation_pages()]
    linked = {
        path
        for source in sources
        for link in _LINK.findall(source.read_text(encoding="utf-8"))
        if (path := _in_repository(source, link)) and not path.startswith("docs/")
    }
    for path in sorted(linked | PAGES.keys() | _FILES):
        files.append(File.generated(config, _in_site(path), abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Write the links of a page as the site needs them; what leads nowhere stays as it is."""

    def written(link: re.Match[str]) -> str:
        path = _in_repository(Path(page.file.abs_src_path), link[0])
        return _in_site(path) if path else link[0]

    return _LINK.sub(written, markdown)


def on_page_content(html: str, **_: Any) -> str:
    """Show code in lines and cells as code hosts do, and let it break where a reader would.

    A `|` in a cell is written with a backslash, which Python-Markdown keeps in code.
    """
    return _CODE.sub(_readable, html)


def _readable(code: re.Match[str]) -> str:
    text = code[1].replace("\\|", "|")
    if len(text) >= _LONG:
        text = re.sub(r"([_/:.])(?=\w)", r"\1<wbr>", text)
    whole = _OPTION.sub(r"<span>\1</span>", text)
    return f"<code>{whole}</code>"


def on_post_page(output: str, **_: Any) -> str:
    """Give the dialog of the search the name that the theme leaves out."""
    return output.replace('role="dialog"', 'role="dialog" aria-label="Search"', 1)


def _in_repository(page: Path, link: str) -> str | None:
    """Return the path of what a page links to, from the root; None where there is no such file."""
    path = Path(os.path.normpath(page.parent / link))
    return path.relative_to(ROOT).as_posix() if path.is_file() else None


def _in_site(path: str) -> str:
    """Return where the site has a file of the repository; browsers show no file without suffix."""
    named = path if PurePosixPath(path).suffix else f"{path}.txt"
    return PAGES.get(path, named.removeprefix("docs/"))
