"""`manage.py metrics`: what `/metrics` says, without a web server."""

import click


@click.command()
@click.option("--local", is_flag=True, help="Only what the processes of this machine have counted.")
def metrics(*, local: bool) -> None:
    """Print the metrics in Prometheus' text format.

    With --local for node_exporter's textfile collector, on machines that only have workers.
    """
    from core.cli_app import application
    from core.metrics.scrape import reader_of

    # What the database knows is left out when it is away, as on the page.
    with application(says_paused=False) as app:
        click.echo(reader_of(app).text(is_local=local), nl=False)
