"""The guard of outgoing requests: which URLs and addresses may be called (no SSRF).

A URL is checked twice. `check_url` looks at the text when it is saved: one strict grammar, so
that no second parser can read another host out of it. `resolve` looks at the addresses each
time before a request is sent; the caller then connects to those addresses and no others.

Ports: 80, 443 and everything from 1024 up except the well-known ports of other services in
`DENIED_PORTS`; for a mail server `MAIL_PORTS` alone. Where private addresses are allowed
(development, tests), any port is.
"""

import ipaddress
import re
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from core.errors import InputError, KuvertError

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IpNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network
LookUp = Callable[[str, int], Iterable[str]]

LONGEST_URL = 2048
_LONGEST_NAME = 253
_DEFAULT_PORTS = {"http": 80, "https": 443}
_FIRST_USER_PORT = 1024

MAIL_PORTS = frozenset({25, 465, 587, 2525})
"""Where mail servers take mail: RFC 5321, RFC 8314, RFC 6409, and a usual second one."""

# From 1024 up, what commonly answers inside a network and would do as a request says: file
# shares, databases, queues, caches, orchestrators, remote desktops, mail and chat; among them
# the ports from 1024 up that browsers refuse (https://fetch.spec.whatwg.org/#port-blocking).
DENIED_PORTS = frozenset(
    {
        *(1080, 1099, 1433, 1434, 1521, 1719, 1720, 1723, 1883, 2049, 2181, 2375, 2376, 2377),
        *(2379, 2380, 2483, 2484, 3128, 3260, 3268, 3269, 3306, 3389, 3659, 4045, 4190, 4369),
        *(5044, 5060, 5061, 5222, 5269, 5432, 5433, 5555, 5601, 5671, 5672, 5900, 5901, 5984),
        *(5985, 5986, *range(6000, 6008), 6379, 6380, 6443, 6566, *range(6665, 6670), 6679, 6697),
        *(7000, 7001, 7199, 8086, 8125, 8200, 8300, 8301, 8500, 8600, 8649, 8883, 9042, 9092),
        *(9100, 9160, 9200, 9300, 9418, 10080, 10250, 10255, 11211, 11434, 15671, 15672, 25672),
        *(26257, 26379, 27017, 27018, 27019, 28017, 33060, 50000, 50070, 61613, 61614, 61616),
    }
)

# The special-purpose registries of IANA (RFC 6890) and what embeds an IPv4 address. Listed
# here rather than asked of `ipaddress.is_global`, whose answer is wrong for many of them.
_DENIED = (
    "0.0.0.0/8",  # this network, RFC 791
    "10.0.0.0/8",  # private, RFC 1918
    "100.64.0.0/10",  # shared by carriers, RFC 6598; metadata of Alibaba Cloud
    "127.0.0.0/8",  # loopback
    "168.63.129.16/32",  # metadata of Azure
    "169.254.0.0/16",  # link-local, RFC 3927; metadata of most clouds
    "172.16.0.0/12",  # private, RFC 1918
    "192.0.0.0/24",  # protocol assignments, RFC 6890; metadata of Oracle Cloud
    "192.0.2.0/24",  # documentation, RFC 5737
    "192.31.196.0/24",  # AS112, RFC 7535
    "192.52.193.0/24",  # AMT, RFC 7450
    "192.88.99.0/24",  # 6to4 relays, RFC 7526
    "192.168.0.0/16",  # private, RFC 1918
    "192.175.48.0/24",  # AS112, RFC 7534
    "198.18.0.0/15",  # benchmarks, RFC 2544
    "198.51.100.0/24",  # documentation
    "203.0.113.0/24",  # documentation
    "224.0.0.0/4",  # multicast
    "240.0.0.0/4",  # reserved, and broadcast
    "::/96",  # unspecified, loopback, and IPv4 in the old "compatible" form
    "::ffff:0:0:0/96",  # IPv4-translated, RFC 2765
    "64:ff9b::/96",  # NAT64, RFC 6052: the gateway would connect to the IPv4 address inside
    "64:ff9b:1::/48",  # local NAT64, RFC 8215
    "100::/32",  # discard-only, RFC 6666, and the dummy prefix of RFC 9780
    "2001::/23",  # protocol assignments, RFC 2928: Teredo, ORCHID, benchmarks
    "2001:db8::/32",  # documentation, RFC 3849
    "2002::/16",  # 6to4, RFC 3056
    "2620:4f:8000::/48",  # AS112, RFC 7534
    "3fff::/20",  # documentation, RFC 9637
    "5f00::/16",  # segment routing, RFC 9602
    "fc00::/7",  # unique local, RFC 4193; metadata of AWS
    "fe80::/10",  # link-local
    "fec0::/10",  # site-local, RFC 3879
    "ff00::/8",  # multicast
)
_DENIED_NETWORKS: tuple[IpNetwork, ...] = tuple(map(ipaddress.ip_network, _DENIED))
# RFC 5214: `::0:5efe:a.b.c.d` and `::200:5efe:a.b.c.d` in any prefix reach IPv4 over ISATAP.
_ISATAP = frozenset({0x0000_5EFE, 0x0200_5EFE})

_NOT_IN_URL = re.compile(r"[^\x21-\x7e]|\\")
_SHAPE = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*):(?P<rest>.*)", re.DOTALL)
_PLACE = re.compile(r"//(?P<authority>[^/?#]*)(?P<path>[^#]*)(?P<fragment>#.*)?")
_AUTHORITY = re.compile(r"(?P<host>\[[^\[\]]*\]|[^:\[\]]*)(?::(?P<port>[0-9]{1,5}))?")
_PATH = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/?\[\]-]|%[0-9A-Fa-f]{2})*")
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_NAMES_AT_HOME = ("localhost", "localdomain", "local", "internal", "home.arpa", "onion")


class TargetError(KuvertError):
    """The host cannot be called: no address, or one that is not public."""

    status_code = 422
    slug = "target"
    title = "The host cannot be called"


@dataclass(frozen=True, slots=True)
class Target:
    """A checked place; `host` is lower-case, an IPv6 address without brackets."""

    scheme: str
    host: str
    port: int
    path: str
    is_address: bool

    @property
    def url(self) -> str:
        """Return the URL in its one normal form."""
        port = "" if self.port == _DEFAULT_PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{self.bracketed_host}{port}{self.path}"

    @property
    def bracketed_host(self) -> str:
        """Return the host as URLs write it."""
        return f"[{self.host}]" if ":" in self.host else self.host


def check_url(url: str, *, allow_private: bool, allow_http: bool, where: str = "/url") -> Target:
    """Return the target that `url` names; looks at the text alone and resolves nothing.

    `where` is the JSON pointer that the finding carries.

    Raises:
        InputError: the URL is not one that may be called; the message says what is wrong.
    """
    try:
        return _parse(url, allow_private=allow_private, allow_http=allow_http)
    except _Refused as refused:
        raise InputError.at(where, "target", str(refused)) from None


def check_mail_server(host: str, port: int, *, allow_private: bool, where: str = "/url") -> Target:
    """Return the target that a mail server's host and port name; resolves nothing.

    An IPv6 address stands in brackets. `where` is the JSON pointer that the finding carries.

    Raises:
        InputError: it may not be called; the message says what is wrong.
    """
    try:
        name, is_address = _checked_host(host)
        if not allow_private:
            _check_is_outside(name, is_address=is_address)
            _check_mail_port(port)
    except _Refused as refused:
        raise InputError.at(where, "target", str(refused)) from None
    return Target("smtp", name, port, "", is_address)


def resolve(
    target: Target, *, allow_private: bool, look_up: LookUp | None = None
) -> tuple[str, ...]:
    """Return the addresses of `target`, in the order in which to try them; all are public.

    One address that is not public refuses the host, since whoever answers for a name can mix
    its answers (DNS rebinding). `look_up` takes host and port; the system's resolver by default.

    Raises:
        TargetError: the name has no address, or one that is not public.
    """
    found = [target.host] if target.is_address else _addresses_of(target, look_up or _ask_system)
    if not allow_private and not all(map(is_public, found)):
        # The address stays unsaid: the answer would map the private network for a stranger.
        raise TargetError(f"{target.host} is not at a public address")
    return tuple(dict.fromkeys(found))


def is_public(address: str) -> bool:
    """Tell whether `address` lies outside every network of the deny list."""
    try:
        parsed = _unwrapped(ipaddress.ip_address(address))
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv6Address) and _is_isatap(parsed):
        return False
    return not any(
        parsed in network for network in _DENIED_NETWORKS if network.version == parsed.version
    )


class _Refused(Exception):  # noqa: N818 - never leaves this module
    """What is wrong with a URL."""


def _parse(url: str, *, allow_private: bool, allow_http: bool) -> Target:
    if len(url) > LONGEST_URL:
        raise _Refused(f"the URL is longer than {LONGEST_URL} characters")
    if _NOT_IN_URL.search(url):
        raise _Refused(
            "the URL holds a space, a line break, a backslash or a character outside ASCII"
        )
    scheme, place = _split(url, allow_http=allow_http)
    host, port_text = _host_and_port(place["authority"])
    port = int(port_text) if port_text else _DEFAULT_PORTS[scheme]
    host, is_address = _checked_host(host)
    if not allow_private:
        _check_is_outside(host, is_address=is_address)
    _check_port(port, allow_any=allow_private)
    return Target(scheme, host, port, _checked_path(place["path"]), is_address)


def _split(url: str, *, allow_http: bool) -> tuple[str, dict[str, str]]:
    """Return the scheme, and authority and path of what follows it."""
    shape = _SHAPE.fullmatch(url)
    scheme = shape["scheme"].lower() if shape else ""
    if shape is None or scheme not in _DEFAULT_PORTS:
        raise _Refused("the URL must begin with https://")
    if scheme == "http" and not allow_http:
        raise _Refused("https only")
    place = _PLACE.fullmatch(shape["rest"])
    if place is None:
        raise _Refused(f"the URL must begin with {scheme}://")
    if place["fragment"]:
        raise _Refused("the URL must not have a part behind #")
    return scheme, place.groupdict()


def _host_and_port(authority: str) -> tuple[str, str | None]:
    if "@" in authority:
        raise _Refused("the URL must not hold a user or password; give them as a secret")
    match = _AUTHORITY.fullmatch(authority)
    if match is None:
        raise _Refused("the host or the port of the URL cannot be read")
    return match["host"], match["port"]


def _checked_host(host: str) -> tuple[str, bool]:
    """Return the host in its normal form, and whether it is an address."""
    if host.startswith("["):
        return _checked_address(host[1:-1], ipaddress.IPv6Address), True
    name = host.lower().removesuffix(".")
    labels = name.split(".")
    if len(name) > _LONGEST_NAME or not all(map(_LABEL.fullmatch, labels)):
        raise _Refused("the host is not a name or an address")
    # Resolvers read 2130706433, 0x7f.1 and 0177.0.0.1 as addresses; one spelling is enough.
    if _NUMBER.fullmatch(labels[-1]):
        return _checked_address(name, ipaddress.IPv4Address), True
    return name, False


def _checked_address(text: str, kind: Callable[[str], IpAddress]) -> str:
    try:
        address = kind(text)
    except ValueError:
        raise _Refused("the address is not in its plain form") from None
    if "%" in text:
        raise _Refused("the address must not name a network interface")
    return str(address)


def _check_is_outside(host: str, *, is_address: bool) -> None:
    is_outside = is_public(host) if is_address else not _is_name_at_home(host)
    if not is_outside:
        raise _Refused(f"{host} is not a public address")


def _is_name_at_home(name: str) -> bool:
    """Tell whether the name can only mean something here: no dot, or of special use (RFC 6761)."""
    return "." not in name or name.endswith(tuple(f".{suffix}" for suffix in _NAMES_AT_HOME))


def _check_port(port: int, *, allow_any: bool) -> None:
    if not 0 < port < 1 << 16:
        raise _Refused("the port must be between 1 and 65535")
    is_usual = port in _DEFAULT_PORTS.values() or port >= _FIRST_USER_PORT
    if not allow_any and (not is_usual or port in DENIED_PORTS):
        raise _Refused(f"port {port} is not allowed: it belongs to another service")


def _check_mail_port(port: int) -> None:
    if port not in MAIL_PORTS:
        usual = ", ".join(map(str, sorted(MAIL_PORTS)))
        raise _Refused(f"port {port} is not allowed: mail servers listen at {usual}")


def _checked_path(path: str) -> str:
    if not _PATH.fullmatch(path):
        raise _Refused("the path of the URL holds a character that must be written as %XX")
    return path if path.startswith("/") else f"/{path}"


def _addresses_of(target: Target, look_up: LookUp) -> list[str]:
    try:
        found = list(look_up(target.host, target.port))
    except (OSError, UnicodeError) as error:
        raise TargetError(f"{target.host} cannot be resolved: {_cause(error)}") from error
    if not found:
        raise TargetError(f"{target.host} has no address")
    return found


def _ask_system(host: str, port: int) -> list[str]:
    answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(place[0]) for *_, place in answers]


def _cause(error: OSError | UnicodeError) -> str:
    return error.strerror or "" if isinstance(error, OSError) else "not a host name"


def _unwrapped(address: IpAddress) -> IpAddress:
    """Return the IPv4 address inside an IPv4-mapped one (RFC 4291 §2.5.5.2), else `address`."""
    return getattr(address, "ipv4_mapped", None) or address


def _is_isatap(address: ipaddress.IPv6Address) -> bool:
    return (int(address) >> 32) & 0xFFFF_FFFF in _ISATAP
