"""XML that wants to do harm, or is no XML: rows X01 to X12 of the bad inputs."""

import csv
import socket
import time
from pathlib import Path

import pytest

from core.errors import Finding, InputError, UnreadableError
from invoices.documents import read_xml_invoice, safe_xml
from tests.invoices.xml_samples import a_cii, a_ubl, changed, findings
from tests.support.data import shared_data

DOCTYPE = "Document type declarations are not allowed"
ENTITY = '<!DOCTYPE Invoice [<!ENTITY amount "99.00">]>'
BOMB = (
    '<!DOCTYPE b [<!ENTITY a0 "ha">'
    + "".join(f'<!ENTITY a{n + 1} "{f"&a{n};" * 10}">' for n in range(12))
    + "]><b>&a12;</b>"
)


def refusal_of(body: bytes) -> Finding:
    """The one finding of a document that is refused, quickly."""
    started = time.thread_time()
    found = findings(body)

    assert time.thread_time() - started < 1
    assert len(found) == 1, found
    assert found[0].is_xpath
    return found[0]


@pytest.mark.parametrize(
    "doctype",
    [
        "<!DOCTYPE Invoice>",
        '<!DOCTYPE Invoice SYSTEM "invoice.dtd">',
        '<!DOCTYPE Invoice PUBLIC "-//x//y" "http://127.0.0.1/x.dtd">',
        ENTITY,
        '<!DOCTYPE Invoice [<!ENTITY % p SYSTEM "http://127.0.0.1/p"> %p;]>',
        "<!-- harmless -->\n<?also harmless?>\n<!DOCTYPE Invoice>",
    ],
)
def test_any_document_type_is_refused(doctype: str) -> None:
    finding = refusal_of(f"{doctype}{a_ubl()}".encode())

    assert finding == Finding("/", "doctype", DOCTYPE, is_xpath=True)


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "iso-8859-1", "windows-1252", "shift_jis"]
)
def test_a_document_type_cannot_hide_in_an_encoding(encoding: str) -> None:
    declared = encoding.removesuffix("-sig")
    text = f'<?xml version="1.0" encoding="{declared}"?>{ENTITY}<Invoice>&amount;</Invoice>'

    assert refusal_of(text.encode(encoding)).message == DOCTYPE


@pytest.mark.parametrize("encoding", ["utf-32", "utf-32-be", "utf-16-be", "cp037"])
def test_a_document_type_in_a_stranger_encoding_is_refused_all_the_same(encoding: str) -> None:
    text = f'<?xml version="1.0" encoding="{encoding}"?>{ENTITY}<Invoice>&amount;</Invoice>'

    assert refusal_of(text.encode(encoding)).rule in {"doctype", "well-formed"}


def test_a_document_type_cannot_hide_in_utf_7() -> None:
    body = b'<?xml version="1.0" encoding="UTF-7"?>+ADwAIQ-DOCTYPE a+AD4-<a/>'

    assert refusal_of(body).message == DOCTYPE


def test_a_document_type_cannot_hide_from_the_declared_encoding() -> None:
    marked = f'<?xml version="1.0" encoding="UTF-8"?>{ENTITY}<Invoice/>'.encode("utf-16")

    assert refusal_of(marked).message == DOCTYPE


def test_the_words_in_a_comment_or_cdata_are_harmless() -> None:
    comment = f"<!-- {ENTITY} -->{a_ubl()}".encode()
    text = changed(a_ubl(), "<cbc:ID>U-1<", "<cbc:ID><![CDATA[<!DOCTYPE a>]]><")

    assert not findings(comment)
    assert read_xml_invoice(text).number == "<!DOCTYPE a>"


def test_a_document_type_after_the_root_is_not_well_formed() -> None:
    assert refusal_of(f"{a_ubl()}{ENTITY}".encode()).rule == "well-formed"


def test_a_bomb_does_not_go_off() -> None:
    started = time.thread_time()

    finding = refusal_of(BOMB.encode())

    assert finding.message == DOCTYPE
    assert time.thread_time() - started < 0.1


def test_no_file_is_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("canary-7391")
    body = f'<!DOCTYPE a [<!ENTITY x SYSTEM "{secret.as_uri()}">]><a>&x;</a>'

    with pytest.raises(InputError) as caught:
        read_xml_invoice(body.encode())

    assert "canary" not in str([finding.to_json() for finding in caught.value.findings])


@pytest.mark.parametrize(
    "attack",
    [
        '<!DOCTYPE a [<!ENTITY x SYSTEM "{url}">]><a>&x;</a>',
        '<!DOCTYPE a SYSTEM "{url}"><a/>',
        '<!DOCTYPE a [<!ENTITY % x SYSTEM "{url}"> %x;]><a/>',
        '<a xmlns:i="http://www.w3.org/2001/XInclude"><i:include href="{url}"/></a>',
        '<a xmlns:x="http://www.w3.org/2001/XMLSchema-instance" x:schemaLocation="u {url}"/>',
        '<?xml-stylesheet href="{url}" type="text/xsl"?><a/>',
    ],
)
def test_nothing_is_fetched(attack: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.05)
        url = f"http://127.0.0.1:{server.getsockname()[1]}/x"

        refusal_of(attack.replace("{url}", url).encode())

        with pytest.raises(TimeoutError):
            server.accept()


@pytest.mark.parametrize("year", ["2001", "2003"])
def test_an_inclusion_is_refused_even_inside_an_invoice(year: str) -> None:
    include = f'<i:include xmlns:i="http://www.w3.org/{year}/XInclude" href="/etc/passwd"/>'

    finding = refusal_of(
        changed(a_ubl(), "<cac:LegalMonetaryTotal>", f"<cac:LegalMonetaryTotal>{include}")
    )

    assert finding.rule == "inclusion"
    assert "not a UBL or CII invoice" in finding.message


def test_an_entity_nobody_declared_is_refused() -> None:
    assert refusal_of(changed(a_ubl(), "177.50", "&amount;")).rule == "well-formed"


@pytest.mark.parametrize("depth", [65, 200, 300, 200_000])
def test_deep_nesting_is_refused(depth: int) -> None:
    finding = refusal_of(b"<a>" * depth + b"</a>" * depth)

    assert finding.message == "nested too deeply: at most 64 levels"


def test_sixty_four_levels_are_parsed() -> None:
    assert safe_xml.parse(b"<a>" * 64 + b"</a>" * 64).tag == "a"


def test_a_million_elements_are_refused_before_a_tree_is_built() -> None:
    finding = refusal_of(b"<a>" + b"<b/>" * 1_000_000 + b"</a>")

    assert finding.message == "too many elements: at most 200,000"


def test_two_hundred_thousand_elements_are_parsed() -> None:
    body = b"<a>" + b"<b></b>" * 199_999 + b"</a>"

    assert len(safe_xml.parse(body)) == 199_999


def test_a_hundred_thousand_attributes_are_refused() -> None:
    crowd = b" ".join(b'a%d=""' % number for number in range(100_000))

    assert refusal_of(b"<a " + crowd + b"/>").rule == "attributes"


def test_many_elements_with_few_attributes_are_no_crowd() -> None:
    assert len(safe_xml.parse(b"<a>" + b'<b c="1" d="2"/>' * 200 + b"</a>")) == 200


def test_what_is_cut_off_is_placed() -> None:
    finding = refusal_of(b"<Invoice>\n  <ID>1</ID>\n")

    assert finding.message.startswith("line 3, column 1: Premature end of data in tag Invoice")


@pytest.mark.parametrize("body", [b"hello", b"{}", b"<a><b></a>", b"<a>\x01</a>", b"<x:a/>", b"\0"])
def test_what_is_not_well_formed_is_placed(body: bytes) -> None:
    assert refusal_of(body).message.startswith("line 1, column ")


@pytest.mark.parametrize("body", [b"", b" \r\n"])
def test_an_empty_body_is_named(body: bytes) -> None:
    with pytest.raises(UnreadableError, match="The request has no body"):
        read_xml_invoice(body)


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "iso-8859-1", "iso-8859-15", "windows-1252"]
)
@pytest.mark.parametrize("document", [a_ubl(), a_cii()])
def test_an_encoding_that_is_declared_is_read(encoding: str, document: str) -> None:
    declared = encoding.removesuffix("-sig")
    body = f'<?xml version="1.0" encoding="{declared}"?>\n{document}'.encode(encoding)

    invoice = read_xml_invoice(body)

    assert invoice.buyer_name == "Büyer AB"
    assert invoice.body == body


@pytest.mark.parametrize("encoding", ["utf-7", "utf-32", "shift_jis", "koi8-r"])
def test_an_encoding_no_invoice_uses_is_refused(encoding: str) -> None:
    plain = a_cii().replace("ü", "u")
    body = f'<?xml version="1.0" encoding="{encoding}"?>{plain}'

    assert refusal_of(body.encode(encoding)).rule in {"encoding", "well-formed"}


def test_latin_1_that_claims_to_be_utf_8_is_placed() -> None:
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n{a_ubl()}'
    line = text[: text.index("ü")].count("\n") + 1

    finding = refusal_of(text.encode("latin-1"))

    assert finding.rule == "well-formed"
    assert finding.message.startswith(f"line {line}, column ")


def test_every_attack_that_is_known_is_refused() -> None:
    folder = shared_data() / "hostile"
    with (folder / "xml.csv").open(newline="") as lines:
        names = [row["file"] for row in csv.DictReader(lines)]
    assert len(names) >= 50

    for name in names:
        finding = refusal_of((folder.parent / name).read_bytes())
        assert finding.rule in {"doctype", "inclusion", "well-formed"}, name
