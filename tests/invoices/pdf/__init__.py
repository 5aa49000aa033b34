"""PDFs made from invoices."""
