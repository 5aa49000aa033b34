"""The verbs of invoices: the one door through which an invoice or a delivery changes."""
