"""Templates that reach for more than a letter, and invoices that would break out of theirs."""

import json
import re
import time
from dataclasses import replace
from decimal import Decimal
from email.message import EmailMessage

import pytest
from lxml.html import document_fromstring

from core.errors import InputError
from invoices.documents.payment import Payment
from invoices.letters import (
    BODY_LENGTH,
    LANGUAGES,
    SAMPLE,
    SUBJECT_LENGTH,
    VARIABLES,
    Facts,
    Template,
    builtin,
    check,
    write,
)
from tests.support.data import shared_data
from tests.support.strings import formulas, naughty

# Known ways from a template to the insides of Python, or to endless work.
HOSTILE = {
    "class": "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "index": "{{ number['__class__'] }}",
    "filter": "{{ number | attr('__class__') }}",
    "self": "{{ self.__init__.__globals__ }}",
    "config": "{{ config }}",
    "request": "{{ request.application.__globals__ }}",
    "cycler": "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
    "lipsum": "{{ lipsum.__globals__['os'] }}",
    "namespace": "{{ namespace }}",
    "call": "{{ number() }}",
    "method": "{{ number.format(number) }}",
    "format": "{{ '%0999999999d' | format(1) }}",
    "loop": "{% for x in range(10**9) %}x{% endfor %}",
    "letters": "{% for x in number %}{% for y in number %}x{% endfor %}{% endfor %}",
    "recursion": "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "power": "{{ 10 ** 10 ** 10 }}",
    "product": "{{ 'x' * 1000000000 }}",
    "sum": "{{ 1 + 1 }}",
    "negative": "{{ -1 }}",
    "list": "{{ [1, 2] }}",
    "dict": "{{ {'a': 1} }}",
    "set": "{% set number = 1 %}",
    "with": "{% with a = 1 %}{% endwith %}",
    "include": "{% include '/etc/passwd' %}",
    "import": "{% import 'os' as os %}",
    "from": "{% from 'os' import path %}",
    "extends": "{% extends 'kuvert/page.html' %}",
    "block": "{% block a %}{% endblock %}",
    "block filter": "{% filter upper %}a{% endfilter %}",
    "safe": "{{ buyer_name | safe }}",
    "replace": "{{ number | replace('', number) }}",
    "center": "{{ number | center(1000000000) }}",
    "tojson": "{{ number | tojson }}",
    "autoescape": "{% autoescape false %}{{ buyer_name }}{% endautoescape %}",
    "do": "{% do number %}",
    "debug": "{% debug %}",
    "test": "{{ number is defined }}",
    "less": "{{ number < 3 }}",
    "in": "{{ 'a' in is_to_pay }}",
    "half": "{{ 'a' if is_to_pay }}",
    "arguments": "{{ number | upper(1) }}",
    "splat": "{{ number | default(*number) }}",
    "none": "{{ number | default }}",
    "open": "{{ number",
    "unclosed": "{% if number %}",
    "empty": "{{ }}",
    "deep": "{{ " + "(" * 5_000 + "number" + ")" * 5_000 + " }}",
    "nots": "{{ " + "not " * 3_000 + "number }}",
    "ifs": "{% if number %}" * 60 + "{% endif %}" * 60,
    "chain": "{{ number" + " | default('')" * 1_000 + " }}",
    "digits": "{{ " + "9" * 5_000 + " }}",
    "line statement": "{{ number ~ __import__('os') }}",
    "null": "a\x00b",
    "bell": "a\x07b",
    "half a sign": "a\ud800b",
    "line separator": "a\u2028b",
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("part", ["text", "html"])
def test_what_is_no_part_of_a_letter_is_refused_in_no_time(name: str, part: str) -> None:
    template = replace(Template("s", "t", "h"), **{part: HOSTILE[name]})
    begun = time.thread_time()

    with pytest.raises(InputError) as refused:
        check(template)
    with pytest.raises(InputError):
        write(template, SAMPLE)

    assert {finding.where for finding in refused.value.findings} == {f"/{part}"}
    assert time.thread_time() - begun < 5


def test_the_longest_template_takes_no_long_time() -> None:
    long = "n" * 300
    facts = replace(SAMPLE, buyer_name=long)
    one = "{{ buyer_name }}"
    begun = time.thread_time()

    with pytest.raises(InputError, match="more than 200,000 characters"):
        write(Template("s", one * (BODY_LENGTH // len(one))), facts)
    with pytest.raises(InputError, match="more than 200,000 characters"):
        write(Template("s", "{{ " + "~".join(["buyer_name"] * 1_800) + " }}"), facts)

    assert time.thread_time() - begun < 10


@pytest.mark.parametrize(
    ("part", "length"), [("subject", SUBJECT_LENGTH), ("text", BODY_LENGTH), ("html", BODY_LENGTH)]
)
def test_a_part_has_its_length(part: str, length: int) -> None:
    check(replace(Template("s", "t", "h"), **{part: "x" * length}))
    for wrong in ("x" * (length + 1), "", " \n"):
        if part == "subject" and wrong == " \n":
            continue
        with pytest.raises(InputError, match=r"1 to [\d,]+ characters"):
            check(replace(Template("s", "t", "h"), **{part: wrong}))


@pytest.mark.parametrize("ending", ["\n", "\r", "\r\n", "\x0b", "\x85", "\u2028"], ids=ascii)
def test_a_subject_is_one_line(ending: str) -> None:
    for subject in (f"a{ending}Bcc: x@example.com", f"a{ending}"):
        with pytest.raises(InputError):
            check(Template(subject, "text"))


LIVE = {
    "script": "<p>\n<script>alert(1)</script>",
    "handler": "<p onclick='alert(1)'>x</p>",
    "picture": "<img src='https://example.com/seen.gif'>",
    "frame": "<iframe src='//example.com'></iframe>",
    "style": "<style>@import url(//example.com)</style>",
    "link": "<link rel=stylesheet href='//example.com'>",
    "refresh": "<meta http-equiv=refresh content='0;url=//example.com'>",
    "base": "<base href='//example.com'>",
    "form": "<form action='//example.com'><input></form>",
    "svg": "<svg onload=alert(1)>",
    "scripted link": "<a href='javascript:alert(1)'>x</a>",
    "data link": "<a href='data:text/html,x'>x</a>",
    "plain link": "<a href='http://example.com'>x</a>",
    "relative link": "<a href='/x'>x</a>",
    "background": "<table background='//example.com/x.gif'></table>",
    "odd": "<x-y>z</x-y>",
}


@pytest.mark.parametrize("name", LIVE)
def test_html_that_runs_or_fetches_is_refused_with_its_line(name: str) -> None:
    with pytest.raises(InputError, match=r"line \d: .* (is not for letters|use https)"):
        check(Template("s", "t", LIVE[name]))


@pytest.mark.parametrize(
    "source",
    [
        '<a href="{{ buyer_name }}">x</a>',
        "<p title={{buyer_name}}>x</p>",
        '<p style="color:{{ buyer_name }}">x</p>',
        "<{{ buyer_name }}>x</p>",
        "<p>{{ buyer_name }}</p>",
    ],
    ids=["link", "unquoted", "style", "tag", "text"],
)
@pytest.mark.parametrize(
    "value",
    [
        "javascript:alert(1)",
        "x onclick=alert(1) x",
        "red;background:url(//example.com)",
        "script>alert(1)</script",
        "img src=//example.com/x.gif onerror=alert(1)",
        "<script>alert(1)</script>",
        "jav\tascript:alert(1)",
    ],
    ids=["scheme", "handler", "fetch", "tag", "picture", "script", "tab"],
)
def test_no_value_comes_alive_wherever_staff_have_put_it(source: str, value: str) -> None:
    letter = write(Template("s", "t", source), replace(SAMPLE, buyer_name=value))

    assert_dead(letter.html)


def assert_dead(page: str) -> None:
    """Fail when a letter in HTML holds something that runs, fetches, or leads to a script."""
    for element in document_fromstring(page).iter():
        assert element.tag not in {
            "script",
            "img",
            "iframe",
            "style",
            "link",
            "base",
            "svg",
            "form",
        }
        for name, value in element.attrib.items():
            assert not str(name).startswith("on")
            assert name not in {"src", "background", "srcset", "action"}
            if name == "href":
                assert re.match(r"(https|mailto):", str(value))
            if name == "style":
                assert "url(" not in str(value)


def of_strangers(text: str) -> Facts:
    """Return an invoice that says the same wherever it can."""
    payment = Payment(reference=text, account=text, account_name=text, bic=text)
    said = dict.fromkeys(
        ("number", "seller_name", "buyer_name", "source_name", "buyer_reference"), text
    )
    more = dict.fromkeys(("seller_id", "seller_email", "buyer_id"), text)
    return replace(SAMPLE, **said, **more, payment=payment)  # type: ignore[arg-type]


EVERYTHING = Template(
    "".join(f"{{{{ {name} }}}} " for name in ("number", "buyer_name", "seller_name")) + ".",
    "\n".join(f"{name}: {{{{ {name} }}}}." for name in VARIABLES),
)


def test_no_text_of_strangers_leaves_its_place() -> None:
    """Naughty strings, formulas and line breaks, as every fact that a letter may tell."""
    lines = (shared_data() / "hostile/crlf.jsonl").read_text("utf-8").splitlines()
    breaks = [text for line in lines for text in texts_of(json.loads(line))]
    strings = [*naughty(), *formulas(), *breaks, "\u202egpj.exe", "a\x00b", "\ud800", "x" * 300]
    count = EVERYTHING.text.count("\n") + 1
    own = Template(EVERYTHING.subject, "t", "<p>{{ buyer_name }}</p><b>{{ number }}</b>")

    for text in strings:
        facts = of_strangers(text)
        for template in (EVERYTHING, own, builtin("en")):
            letter = write(template, facts)
            assert_dead(letter.html)
            assert letter.subject.isprintable() or not letter.subject.isascii()
            assert len(letter.subject.splitlines()) == 1
            message = EmailMessage()
            message["Subject"] = letter.subject
            message.set_content(letter.text)
            assert message.keys() == [
                "Subject",
                "Content-Type",
                "Content-Transfer-Encoding",
                "MIME-Version",
            ]
        assert len(write(EVERYTHING, facts).text.splitlines()) == count
    assert len(strings) > 300


def texts_of(value: object) -> list[str]:
    """Return every text in a JSON value."""
    if isinstance(value, str):
        return [value]
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for one in inside for text in texts_of(one)]


@pytest.mark.parametrize(
    "name", ["مؤسسة النور", "חברת אור", "ܐܪܡܝܐ", "شرکت نفت ۱۲۳"], ids=["ar", "he", "syr", "fa"]
)
def test_a_name_from_right_to_left_is_readable_and_turns_nothing_around(name: str) -> None:
    facts = replace(SAMPLE, buyer_name=name)

    letter = write(Template("{{ buyer_name }} 17", "{{ buyer_name }} 17"), facts)

    assert letter.text == f"\u2068{name}\u2069 17\n"
    assert f"\u2068{name}\u2069 17" in letter.html
    assert letter.subject == f"{name} 17"


def test_marks_that_turn_text_around_are_taken_out_of_names() -> None:
    facts = replace(SAMPLE, buyer_name="Acme \u202eflp.\u2066exe\u200f")

    assert write(Template("{{ buyer_name }}", "t"), facts).subject == "Acme flp.exe"


def test_signs_that_names_need_stay() -> None:
    name = "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645 👩\u200d💻 Zażółć ﬁ 日本"

    assert (
        write(Template("{{ buyer_name }}", "t"), replace(SAMPLE, buyer_name=name)).subject == name
    )


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_no_amount_is_too_odd_to_be_written(language: str) -> None:
    template = Template("{{ payable_amount }}", "{{ tax_amount }}", language=language)
    for amount in ("-999999999999.9999", "1E+3", "0E-4", "0.0001"):
        for currency in ("EUR", "CLF", "JPY", "HRK"):
            facts = replace(SAMPLE, payable_amount=Decimal(amount), currency=currency)
            assert write(template, facts).subject
