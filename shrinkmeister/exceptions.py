"""The one error tree of client and server.

What each error means over HTTP is decided in one place, `shrinkmeister_server.views.STATUSES`.
"""


class ShrinkmeisterError(Exception):
    """The root: catching it catches everything that Shrinkmeister raises on purpose."""


class SpecError(ShrinkmeisterError, ValueError):
    """A geometry, an option or a source name that no thumbnail can be described with."""


class SourceError(ShrinkmeisterError):
    """Something is wrong with the source."""


class SourceNotAllowedError(SourceError):
    """The source lies where we may not read: outside the allow-list, or in an unnamed storage."""


class HostNotListedError(SourceNotAllowedError):
    """The source is a URL, and THUMBNAIL_SOURCES does not list its host. Carries the URL."""

    def __init__(self, message: str, url: str) -> None:
        super().__init__(message)
        self.url = url


class SourceMissingError(SourceError):
    """There is no source under that name."""


class SourceTooLargeError(SourceError):
    """The source has more bytes than the server reads, or more pixels or frames than it decodes."""


class SourceTooSlowError(SourceError):
    """Making the thumbnail of the source takes longer than the server works on one."""


class SourceInvalidError(SourceError):
    """The source is not an image that the engine can turn into the thumbnail asked for."""


class SourceFormatError(SourceInvalidError):
    """The source is not an image of a format that the server reads."""


class TokenError(ShrinkmeisterError):
    """A token that none of our secret keys has sealed, or of a version unknown here."""


class TokenExpiredError(TokenError):
    """A genuine token whose time is over."""


class OverloadError(ShrinkmeisterError):
    """The server makes as many thumbnails as it can, and as many requests wait as may."""


class OutOfTimeError(ShrinkmeisterError):
    """A thumbnail of a batch that has not been made yet when its time is over."""


class BatchError(ShrinkmeisterError):
    """A request for several thumbnails that is not in its form; the message is for whoever has sent it."""


class BatchLengthError(BatchError):
    """One of which nobody says how long it is."""


class BatchTooLargeError(BatchError):
    """One for more thumbnails than the server answers for at once."""


class ResolutionError(ShrinkmeisterError):
    """A resolution (`@3x`) that THUMBNAIL_ALTERNATIVE_RESOLUTIONS does not list."""


class NotStoredError(ShrinkmeisterError):
    """A thumbnail has no file that its name could name. What is raised is sorl's ThumbnailError, too."""


class RecordError(ShrinkmeisterError, ValueError):
    """What the shared cache holds under our key is not a record of ours."""


class DriverError(ShrinkmeisterError):
    """The shared cache did not do what it was asked: dead, refusing, too slow."""


class StorageError(ShrinkmeisterError):
    """A storage failed in another way than by not having the file. Trying again may help."""


class StorageBusyError(StorageError):
    """A storage is asked for too much. Trying again helps, later."""


class StorageDeniedError(StorageError):
    """A storage refuses us, or does not exist: keys, rights or names are wrong. Trying again is no use."""
