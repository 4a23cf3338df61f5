"""sorl's command `thumbnail` refuses to run with Shrinkmeister's backend: it does not know its thumbnails.

The command is changed in place, because the order of INSTALLED_APPS decides which app's command runs.
"""

from functools import wraps
from typing import Any

from django.core.management.base import CommandError
from sorl.thumbnail.management.commands.thumbnail import Command

from shrinkmeister.sorl_patches import is_backend_ours

# Why each action is refused, and which command to use instead.
INSTEAD = {
    "cleanup": "It would check the storage for each image that sorl knows, and it does not know "
    "Shrinkmeister's. `manage.py shrinkmeister prune --older-than 90d` deletes old thumbnails, and "
    "`delete(file)` deletes those of one file.",
    "clear": "It would clear sorl's key-value store, which `manage.py shrinkmeister adopt` reads. "
    "`manage.py shrinkmeister clear` clears the records in the shared cache.",
    "clear_delete_referenced": "It would delete files whose records stay in the shared cache. "
    "`manage.py shrinkmeister prune --older-than 30d` deletes thumbnails with their records. "
    "`prune --adopted` deletes those that sorl has made.",
    "clear_delete_all": "It would delete every file below THUMBNAIL_PREFIX, and leave the records. "
    "`manage.py shrinkmeister prune --older-than 0` deletes all thumbnails with their records. "
    "`prune --adopted` deletes those that sorl has made.",
}


def install() -> None:
    """Make the command refuse with Shrinkmeister's backend. Call once."""
    sorls = Command.handle

    @wraps(sorls)
    def handle(self: Any, *labels: str, **options: Any) -> None:
        if is_backend_ours():
            raise CommandError(
                f"`thumbnail {labels[0]}` does not run with Shrinkmeister's backend. {INSTEAD[labels[0]]}"
            )
        sorls(self, *labels, **options)

    Command.handle = handle
