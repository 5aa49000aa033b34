"""Files of the pages: an address that changes with them, and a long time to keep them."""

from flask import Flask, url_for
from flask.testing import FlaskClient


def test_an_address_with_a_version_may_be_kept(app: Flask, client: FlaskClient) -> None:
    with app.test_request_context():
        address = url_for("static", filename="admin/desk.css")
        other = url_for("static", filename="admin/desk.js")

    answer = client.get(address, buffered=True)

    assert "?v=" in address
    assert address.split("=")[1] != other.split("=")[1]
    assert "immutable" in answer.headers["Cache-Control"]


def test_one_without_is_asked_for_again(client: FlaskClient) -> None:
    answer = client.get("/static/docs.js", buffered=True)

    assert answer.status_code == 200
    assert "immutable" not in answer.headers["Cache-Control"]


def test_so_it_is_with_files_of_the_library(app: Flask) -> None:
    with app.test_request_context():
        path = "bootstrap/bootstrap4/swatch/default/bootstrap.min.css"

        assert "?v=" in url_for("admin.static", filename=path)
