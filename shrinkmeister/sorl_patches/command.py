"""sorl's command `thumbnail` refuses to run with Shrinkmeister's backend: it does not know its thumbnails.

The command is changed in place, because the order of INSTALLED_APPS decides which app's command runs.
"""

from functools import wraps
from typing import Any

from django.core.management.base import CommandError
from sorl.thumbnail.management.commands.thumbnail import Command

from shrinkmeister.sorl_patches import is_backend_ours

# What to use instead of each action.
ADOPTED = "`prune --adopted` deletes those that sorl has made."
INSTEAD = {
    "cleanup": "`manage.py shrinkmeister prune --older-than 90d` deletes old thumbnails, and "
    "`delete(file)` deletes those of one file.",
    "clear": "`manage.py shrinkmeister clear` clears the records in the shared cache.",
    "clear_delete_referenced": "`manage.py shrinkmeister prune --older-than 30d` deletes thumbnails with "
    f"their records. {ADOPTED}",
    "clear_delete_all": "`manage.py shrinkmeister prune --older-than 0` deletes all thumbnails with their "
    f"records. {ADOPTED}",
}


def install() -> None:
    """Make the command refuse with Shrinkmeister's backend. Call once."""
    sorls = Command.handle

    @wraps(sorls)
    def handle(self: Any, *labels: str, **options: Any) -> None:
        if is_backend_ours():
            raise CommandError(
                f"`thumbnail {labels[0]}` does not know Shrinkmeister's thumbnails and records. "
                f"{INSTEAD[labels[0]]}"
            )
        sorls(self, *labels, **options)

    Command.handle = handle
