"""The guard of outgoing requests: URLs when they are saved, addresses when they are used."""

import csv
import json
import socket

import pytest

from core.errors import InputError
from core.targets import DENIED_PORTS, Target, TargetError, check_url, is_public, resolve
from tests.support.data import shared_data


def check(url: str) -> Target:
    return check_url(url, allow_private=False, allow_http=True)


def refusal_of(url: str, *, allow_private: bool = False, allow_http: bool = True) -> str:
    with pytest.raises(InputError) as caught:
        check_url(url, allow_private=allow_private, allow_http=allow_http)
    return caught.value.detail


@pytest.mark.parametrize(
    ("url", "normal"),
    [
        ("https://example.com", "https://example.com/"),
        ("HTTPS://Example.COM:443/In?a=1&b=%20", "https://example.com/In?a=1&b=%20"),
        ("http://example.com:8080?x=y", "http://example.com:8080/?x=y"),
        ("https://example.com./a", "https://example.com/a"),
        ("https://xn--mller-kva.example/", "https://xn--mller-kva.example/"),
        ("https://8.8.8.8/", "https://8.8.8.8/"),
        ("https://[2001:4860:4860:0::8888]:8443/", "https://[2001:4860:4860::8888]:8443/"),
        ("https://api.example.com/a/../b;c=d/(e)!$,*'@:", None),
    ],
)
def test_a_public_url_is_brought_into_one_form(url: str, normal: str | None) -> None:
    assert check(url).url == (normal or url)


def test_a_target_says_what_to_connect_to() -> None:
    target = check("https://[2001:4860:4860::8888]/in")

    assert target == Target("https", "2001:4860:4860::8888", 443, "/in", is_address=True)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("ftp://example.com/", "https://"),
        ("file:///etc/passwd", "https://"),
        ("gopher://example.com/", "https://"),
        ("javascript:alert(1)", "https://"),
        ("example.com/in", "https://"),
        ("", "https://"),
        ("https:example.com/", "https://"),
        ("https:///in", "name or an address"),
        ("https://user:pass@example.com/", "user or password"),
        ("https://example.com@evil.example/", "user or password"),
        ("https://example.com/\r\nX-Evil: 1", "line break"),
        ("https://example.com/a b", "space"),
        (" https://example.com/", "space"),
        ("https://example.com\\@evil.example/", "backslash"),
        ("https://exämple.com/", "outside ASCII"),
        ("https://ⓔⓧⓐⓜⓟⓛⓔ.ⓒⓞⓜ/", "outside ASCII"),
        ("https://①②⑦.0.0.1/", "outside ASCII"),
        ("https://example.com/#part", "behind #"),
        ("https://example.com/<script>", "%XX"),
        ("https://example.com/%zz", "%XX"),
        ("https://example.com:/", "cannot be read"),
        ("https://example.com:80:80/", "cannot be read"),
        ("https://[::1/", "cannot be read"),
        ("https://example..com/", "name or an address"),
        ("https://-example.com/", "name or an address"),
        ("https://" + "a." * 130 + "com/", "name or an address"),
        ("https://example.com/" + "a" * 2048, "longer than 2048"),
    ],
)
def test_a_url_that_could_be_read_in_two_ways_is_refused(url: str, reason: str) -> None:
    assert reason in refusal_of(url, allow_private=True)


@pytest.mark.parametrize(
    "host",
    [
        "127.1",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "127.0.0.0x1",
        "134744072",
        "1.2.3.4.5",
        "256.1.1.1",
        "[::1%25lo]",
        "[fe80::1%eth0]",
        "[::gggg]",
        "[127.0.0.1]",
    ],
)
def test_an_address_in_disguise_is_refused_even_where_private_ones_may_be_called(
    host: str,
) -> None:
    reason = refusal_of(f"http://{host}/", allow_private=True)

    assert "address" in reason


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "localhost", "[::1]", "[::]", "LOCALHOST", "localhost."),
        "0.0.0.0",  # noqa: S104 - a host to refuse, nothing binds to it
        *("10.0.0.1", "172.16.0.1", "192.168.0.1", "169.254.169.254", "100.64.0.1"),
        *("[fc00::1]", "[fe80::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[64:ff9b::a00:1]"),
        *("[2002:a00:1::1]", "[2001:0:4136:e378:8000:63bf:3fff:fdd2]", "rabbitmq", "a.localhost"),
        *("metadata.google.internal", "printer.local", "168.63.129.16"),
    ],
)
def test_a_private_host_is_refused_unless_private_ones_may_be_called(host: str) -> None:
    assert "not a public address" in refusal_of(f"https://{host}/")
    assert check_url(f"https://{host}/", allow_private=True, allow_http=False).port == 443


def test_http_is_refused_unless_it_is_switched_on() -> None:
    assert refusal_of("http://example.com/", allow_http=False) == "https only"


@pytest.mark.parametrize("port", [1, 22, 25, 79, 81, 444, 1023, 5672, 5432, 6379, 9200])
def test_the_port_of_another_service_is_refused(port: int) -> None:
    url = f"https://example.com:{port}/"

    assert f"port {port}" in refusal_of(url)
    assert check_url(url, allow_private=True, allow_http=False).port == port


@pytest.mark.parametrize("port", [80, 443, 1024, 8000, 8080, 8443, 65535])
def test_other_ports_are_allowed(port: int) -> None:
    assert check(f"https://example.com:{port}/").port == port


@pytest.mark.parametrize("port", [0, 65536, 99999])
def test_a_port_that_does_not_exist_is_refused(port: int) -> None:
    assert "between 1 and 65535" in refusal_of(f"https://example.com:{port}/", allow_private=True)


def test_the_deny_list_of_ports_has_nothing_that_is_denied_anyway() -> None:
    assert min(DENIED_PORTS) >= 1024


def test_the_finding_points_where_the_caller_says() -> None:
    with pytest.raises(InputError) as caught:
        check_url("ftp://a", allow_private=False, allow_http=False, where="/target/url")

    assert [finding.where for finding in caught.value.findings] == ["/target/url"]


# Addresses


def a_target(host: str = "hook.example") -> Target:
    return Target("https", host, 443, "/", is_address=False)


def test_a_name_gives_its_addresses_in_order_and_once() -> None:
    found = ["2606:4700:4700::1111", "1.1.1.1", "2606:4700:4700::1111"]

    answer = resolve(a_target(), allow_private=False, look_up=lambda *_: found)

    assert answer == ("2606:4700:4700::1111", "1.1.1.1")


def test_one_private_answer_among_public_ones_refuses_the_name() -> None:
    with pytest.raises(TargetError, match=r"hook\.example is not at a public address") as caught:
        resolve(a_target(), allow_private=False, look_up=lambda *_: ["1.1.1.1", "10.0.0.7"])

    assert "10.0.0.7" not in caught.value.detail
    assert caught.value.status_code == 422


def test_private_answers_are_given_where_they_are_allowed() -> None:
    answer = resolve(a_target(), allow_private=True, look_up=lambda *_: ["10.0.0.7"])

    assert answer == ("10.0.0.7",)


def test_localhost_is_refused_by_its_address_too() -> None:
    with pytest.raises(TargetError, match="not at a public address"):
        resolve(a_target("localhost"), allow_private=False)


def test_an_address_is_checked_and_not_looked_up() -> None:
    def never(host: str, port: int) -> list[str]:
        raise AssertionError((host, port))

    private = Target("https", "10.0.0.1", 443, "/", is_address=True)
    public = Target("https", "1.1.1.1", 443, "/", is_address=True)

    assert resolve(public, allow_private=False, look_up=never) == ("1.1.1.1",)
    with pytest.raises(TargetError):
        resolve(private, allow_private=False, look_up=never)


@pytest.mark.parametrize(
    "error",
    [
        socket.gaierror(socket.EAI_NONAME, "Name or service not known"),
        TimeoutError("timed out"),
        UnicodeError("label too long"),
    ],
)
def test_a_name_that_does_not_resolve_says_so(error: Exception) -> None:
    def fail(host: str, port: int) -> list[str]:
        raise error

    with pytest.raises(TargetError, match=r"hook\.example cannot be resolved"):
        resolve(a_target(), allow_private=False, look_up=fail)


def test_a_name_without_addresses_is_refused() -> None:
    with pytest.raises(TargetError, match="has no address"):
        resolve(a_target(), allow_private=False, look_up=lambda *_: [])


@pytest.mark.parametrize(
    "address",
    [
        *("0.1.2.3", "100.127.255.254", "127.255.255.255", "192.0.0.255", "198.19.255.255"),
        *("224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", "168.63.129.16"),
        *("::", "::1", "::7f00:1", "::ffff:10.0.0.1", "::ffff:0:10.0.0.1", "64:ff9b::808:808"),
        *("64:ff9b:1::1", "100::1", "2001::1", "2001:2::1", "2001:20::1", "2001:db8::1"),
        *("2002:808:808::1", "3fff::1", "5f00::1", "fd00:ec2::254", "fe80::1%lo", "fec0::1"),
        *("ff0e::1", "2606:4700::5efe:a00:1", "2606:4700::200:5efe:a00:1", "not an address", ""),
    ],
)
def test_an_address_of_a_denied_network_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address",
    ["1.1.1.1", "100.63.255.254", "100.128.0.1", "172.32.0.1", "::ffff:8.8.8.8", "2a00:1450::1"],
)
def test_an_address_beside_them_is_public(address: str) -> None:
    assert is_public(address)


# The collections of others


def test_every_known_address_is_judged_as_expected() -> None:
    with (shared_data() / "hostile" / "ssrf_addresses.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))

    wrong = [row for row in rows if is_public(row["address"]) != (row["expected"] == "allow")]

    assert rows
    assert wrong == []


def test_no_known_hostile_url_leads_to_a_private_address() -> None:
    lines = (shared_data() / "hostile" / "ssrf_urls.jsonl").read_text(encoding="utf-8")
    urls = [json.loads(line)["url"] for line in lines.splitlines()]

    let_through = [url for url in urls if not is_refused(url)]

    assert urls
    assert let_through == []


def is_refused(url: str) -> bool:
    try:
        check(url)
    except InputError:
        return True
    return False
