"""The weekly report as a mail (RFC 5322): text and HTML, with the HTML and the CSV attached."""

from email.message import EmailMessage

from core.settings import Settings
from invoices.report import rendering
from invoices.report.figures import Figures

PAGE = "/admin/report/"
_BOM = "\N{ZERO WIDTH NO-BREAK SPACE}"


def build(figures: Figures, settings: Settings) -> EmailMessage:
    """Return the mail without sender, recipients, date and id, which the mailer knows."""
    page = rendering.Page(
        figures=figures,
        environment=settings.environment,
        link=f"{settings.desk_url}{PAGE}?week={figures.week.name}",
    )
    message = EmailMessage()
    message["Subject"] = rendering.subject(page)
    message.set_content(rendering.text(page))
    html = rendering.html(page)
    message.add_alternative(html, subtype="html")
    name = f"kuvert-{figures.week.name}"
    message.add_attachment(html, subtype="html", filename=f"{name}.html")
    # Without the mark, spreadsheets take the names of sources for another encoding.
    table = (_BOM + rendering.csv(figures)).encode()
    message.add_attachment(table, maintype="text", subtype="csv", filename=f"{name}.csv")
    return message
