"""Mail addresses as people give them, and as deliveries' are compared."""

from core.errors import InputError

ADDRESS_LENGTH = 320


def checked_address(address: str) -> str:
    """Return an address as it is compared with those of deliveries.

    Raises:
        InputError: it is none.
    """
    found = address.strip().lower()
    name, sign, domain = found.rpartition("@")
    is_one = bool(name and sign and domain) and not any(map(str.isspace, found))
    if not is_one or not found.isprintable() or len(found) > ADDRESS_LENGTH:
        message = f"must be a mail address of at most {ADDRESS_LENGTH} characters"
        raise InputError.at("/address", "address", message)
    return found
