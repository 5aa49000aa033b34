"""JSON pointers (RFC 6901): finding one value in a decoded document."""


def find(document: object, pointer: str) -> object:
    """Return what `pointer` points to in `document`; None where there is nothing."""
    value = document
    for step in _steps(pointer):
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and step.isdecimal() and int(step) < len(value):
            value = value[int(step)]
        else:
            return None
    return value


def find_text(document: object, pointer: str) -> str:
    """Return the text or whole number that `pointer` points to, as one line that can be stored.

    Control characters and lone surrogates are replaced; empty where there is nothing.
    """
    found = find(document, pointer)
    if not isinstance(found, str | int) or isinstance(found, bool):
        return ""
    text = str(found).encode("utf-8", "replace").decode()
    return "".join(letter if letter.isprintable() else " " for letter in text).strip()


def is_pointer(text: str) -> bool:
    """Return whether `text` is a JSON pointer: empty, or steps that each begin with a slash."""
    return text == "" or text.startswith("/")


def _steps(pointer: str) -> list[str]:
    """Split a pointer and take its escapes back."""
    return [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]
