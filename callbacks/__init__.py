"""What providers say back about a delivery."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask


def init_app(app: "Flask") -> None:
    """Attach the callback tables, routes and tasks to `app`."""
    from callbacks import (  # noqa: F401
        doctoring,
        mappings,
        models,
        readings,
        retention,
        routes,
        short_way,
        tasks,
    )
    from core import pump
    from core.doctor import findings
    from core.metrics import families
    from core.retention import kinds
    from invoices import setup

    families.register(readings.read)
    findings.register("mailbox", doctoring.mailbox)
    pump.register(tasks.CALLBACKS)
    kinds.register(retention.BODIES)
    kinds.register(retention.MAILS)
    if mappings.map_usual_words not in setup.provider_added:
        setup.provider_added.append(mappings.map_usual_words)
    app.register_blueprint(routes.bp)
    # The way that is documented: https://flask.palletsprojects.com, "Application Dispatching".
    app.wsgi_app = short_way.ShortWay(app, app.wsgi_app)  # type: ignore[method-assign]
