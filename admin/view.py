"""The one base of all pages over tables: what Flask-Admin leaves open is closed here, once."""

from admin.doing import ActView


class DeskView(ActView):
    """Lists a table, shows a row, and lets staff change it where a service says how.

    A subclass gives `model` and `columns`, and where there is something to do `form` with
    `create`, `change` and `remove`, each with the role that may. What has no role is not there:
    404. CONTRIBUTING.md shows one.
    """
