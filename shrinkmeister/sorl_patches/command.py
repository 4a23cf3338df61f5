"""sorl's command `thumbnail`, which must not meddle with thumbnails that are ours.

It is changed in place: which app Django takes a command from depends on the order of INSTALLED_APPS.
"""

from functools import wraps
from typing import Any

from django.core.management.base import CommandError
from sorl.thumbnail import default
from sorl.thumbnail.management.commands.thumbnail import Command

# What sorl's would do, and what does that here.
INSTEAD = {
    "cleanup": "It would ask the storage about each image that sorl knew, and knows none of ours. "
    "`manage.py shrinkmeister prune --older-than 90d` deletes thumbnails that are old, and `delete(file)` "
    "those of one file.",
    "clear": "It would clear sorl's key-value store, and with it what `manage.py shrinkmeister adopt` "
    "reads. `manage.py shrinkmeister clear` clears the records in the shared cache.",
    "clear_delete_referenced": "It would delete files to which records in the shared cache point. "
    "`manage.py shrinkmeister prune --older-than 30d` deletes thumbnails and their records, and "
    "`prune --adopted` those that sorl has made.",
    "clear_delete_all": "It would delete every file below THUMBNAIL_PREFIX, whoever has put it there, and "
    "leave the records. `manage.py shrinkmeister prune --older-than 0` deletes all thumbnails and their "
    "records, and `prune --adopted` those that sorl has made.",
}


def install() -> None:
    """Make the command refuse with Shrinkmeister's backend. Call once."""
    sorls = Command.handle

    @wraps(sorls)
    def handle(self: Any, *labels: str, **options: Any) -> None:
        # Loaded with the first command: this module is loaded when Django starts.
        from shrinkmeister.backend import ShrinkmeisterBackend

        if isinstance(default.backend, ShrinkmeisterBackend):
            raise CommandError(
                f"`thumbnail {labels[0]}` is not run with THUMBNAIL_BACKEND = Shrinkmeister's. "
                f"{INSTEAD[labels[0]]}"
            )
        sorls(self, *labels, **options)

    Command.handle = handle
