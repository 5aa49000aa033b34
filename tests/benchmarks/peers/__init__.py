"""What Kuvert is compared with: the same work by an ordinary Django application."""
