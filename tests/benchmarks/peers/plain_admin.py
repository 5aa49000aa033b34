"""Flask-Admin over our invoices as its manual shows it: one ModelView, nothing changed.

Beside it, the same with the three columns that Kuvert's list searches declared searchable.
"""

import os

from flask import Flask
from flask_admin import Admin
from flask_admin.contrib.sqla import ModelView
from flask_babel import Babel
from flask_sqlalchemy import SQLAlchemy

from core.models import Base
from invoices.models import Invoice

application = Flask(__name__)
application.config["SQLALCHEMY_DATABASE_URI"] = os.environ["KUVERT_DATABASE_URL"]
application.config["SECRET_KEY"] = "for the benchmark alone"
db = SQLAlchemy(application, model_class=Base)
Babel(application)


class Searchable(ModelView):
    """The default list with a search."""

    column_searchable_list = ("number", "external_id", "buyer_name")


admin = Admin(application, name="Plain")
admin.add_view(ModelView(Invoice, db, endpoint="plain"))
admin.add_view(Searchable(Invoice, db, endpoint="searchable", name="Searchable"))
