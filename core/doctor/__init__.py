"""Whether everything is as it should be, what it means where it is not, and what to do.

`manage.py doctor` and the page Health ask the same checks, all at once and within bounded time.
"""
