"""The invoice API. `intake` takes invoices in, `actions` changes them, `reads` shows them."""

from flask import Blueprint

bp = Blueprint("invoices", __name__, url_prefix="/api/v1")

from invoices.routes import actions, intake, reads  # noqa: E402, F401 - they put their routes on bp
