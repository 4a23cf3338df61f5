"""Short texts in the shared cache: bookmarks of long commands, and what the doctor's two sides exchange."""

from shrinkmeister.cache.connection import Part

# How long a command that was stopped can be resumed.
BOOKMARK_SECONDS = 7 * 24 * 3600
# How long the other side can read a note.
NOTE_SECONDS = 60


class Notes(Part):
    """All methods raise DriverError."""

    def bookmark(self, name: str) -> str | None:
        """Return how far a long command has got."""
        return self._text(f"bookmark:{name}")

    def set_bookmark(self, name: str, text: str | None) -> None:
        key = f"bookmark:{name}"
        if text is None:
            self.connection.delete_many([key])
        else:
            self.connection.set(key, text.encode(), BOOKMARK_SECONDS)

    def note(self, name: str) -> str | None:
        """Return what either side has left within the last minute."""
        return self._text(f"note:{name}")

    def leave_note(self, name: str, text: str) -> None:
        self.connection.set(f"note:{name}", text.encode(), NOTE_SECONDS)

    def _text(self, key: str) -> str | None:
        found = self.connection.read(key)
        return None if found is None else found.decode(errors="replace")
