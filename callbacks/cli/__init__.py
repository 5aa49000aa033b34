"""Commands of the invoice desk; manage.py names them in its table."""
