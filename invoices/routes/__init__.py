"""The invoice API: `intake` takes in, `actions` change, `reads` show, `reports` add up.

`suppressions` lists the addresses that bounced.
"""

from flask import Blueprint

bp = Blueprint("invoices", __name__, url_prefix="/api/v1")

from invoices.routes import actions, intake, reads, reports, suppressions  # noqa: E402, F401 - they put their routes on bp
