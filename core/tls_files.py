"""Files of TLS that a URL names behind its `?`, looked at before anybody connects.

A file that is missing would otherwise come up as `No such file or directory` without a name, at the
first connection and in the middle of something else.
"""

import ssl
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import parse_qsl


class Names(NamedTuple):
    """What the authority, our certificate and its key are called in the query of a URL."""

    authority: str
    certificate: str
    key: str


POSTGRESQL: Final = Names("sslrootcert", "sslcert", "sslkey")
MYSQL: Final = Names("ssl_ca", "ssl_cert", "ssl_key")
BROKER: Final = Names("ca_certs", "certfile", "keyfile")
_SYSTEM: Final = "system"
"""PostgreSQL's word for the authorities of this machine."""


def check(query: str, names: Names) -> None:
    """See that the files which the query of a URL names can be used, and belong together.

    Raises:
        ValueError: with a phrase that names the file; never what is in it.
    """
    given = dict(parse_qsl(query))
    files = {name: given[name] for name in names if given.get(name, _SYSTEM) != _SYSTEM}
    for name, path in files.items():
        _read(name, path)
    if names.authority in files:
        _check_authority(names.authority, files[names.authority])
    if names.key in files and names.certificate not in files:
        raise ValueError(f"{names.key} needs {names.certificate}, the certificate of that key")
    if names.certificate in files:
        key = files.get(names.key, files[names.certificate])
        _check_pair(files[names.certificate], key, given.get("sslpassword", ""))


def _read(name: str, path: str) -> None:
    try:
        with Path(path).open("rb") as file:
            file.read(1)
    except OSError as error:
        raise ValueError(f"{name}: cannot read {path!r}: {error.strerror}") from error


def _check_authority(name: str, path: str) -> None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except ssl.SSLError as error:
        raise ValueError(f"{name}: no certificate in PEM is in {path!r}") from error


def _check_pair(certificate: str, key: str, password: str) -> None:
    try:
        # Without a password here, OpenSSL would ask for one at the terminal.
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(certificate, key, password)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise ValueError(
                f"the key in {key!r} is not that of the certificate in {certificate!r}"
            ) from error
        raise ValueError(
            f"{certificate!r} and {key!r} hold no certificate and its key in PEM, or the key needs"
            " another password"
        ) from error
