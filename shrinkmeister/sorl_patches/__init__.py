"""What replaces sorl's filters, command and key-value store in place.

Django imports this package at its start. So it imports what makes thumbnails only on use.
"""

from sorl.thumbnail import default


def is_backend_ours() -> bool:
    from shrinkmeister.backend import ShrinkmeisterBackend

    return isinstance(default.backend, ShrinkmeisterBackend)
