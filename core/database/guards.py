"""What the triggers of append-only tables have in common on all engines."""


def passed(table: str, verb: str, mine: str) -> str:
    """Return the condition of a trigger that `OLD` goes through a pass (core.retention.passes).

    `verb` and `mine`, whether the pass is of this transaction and young, are SQL of the engine.
    """
    return (
        "EXISTS (SELECT 1 FROM history_passes p"  # noqa: S608 - our own names
        f" WHERE p.table_name = '{table}' AND p.verb = {verb}"
        f" AND OLD.id < p.before_id AND {mine})"
    )
