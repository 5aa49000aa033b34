"""The names of the kinds, for whoever has no need of what is behind them."""

KINDS = ("documents", "callback-bodies", "mails", "events", "attempts", "audit")
"""Every kind, in the order in which they are told and done."""

ERASURE = "erasure"
"""The kind of a run that has erased a person."""
