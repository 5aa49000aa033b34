"""The sandbox provider: a server of its own that behaves like a real invoice provider.

It shares nothing with the desk but `core`: what it knows, it was told over HTTP.
"""
