"""The one error tree of client and server. Each class has a code, which stays when its messages change.

What each error means over HTTP is decided in one place, `shrinkmeister_server.views.STATUSES`. What code
catches that was written for sorl is decided in one place too, `shrinkmeister.sorl_errors`.
"""

from typing import Any, ClassVar


class ShrinkmeisterError(Exception):
    """The root: catching it catches everything that Shrinkmeister raises on purpose."""

    code: ClassVar[str] = "error"


class SpecError(ShrinkmeisterError, ValueError):
    """A geometry, an option or a source name that no thumbnail can be described with."""

    code = "spec"


class EmptyFileError(ShrinkmeisterError, ValueError):
    """The caller has given no file, such as that of an image field without one."""

    code = "empty-file"


class SourceError(ShrinkmeisterError):
    """Something is wrong with the source."""

    code = "source"


class SourceNotAllowedError(SourceError):
    """The source lies where we may not read: outside the allow-list, or in an unnamed storage."""

    code = "source-not-allowed"


class HostNotListedError(SourceNotAllowedError):
    """The source is a URL, and THUMBNAIL_SOURCES does not list its host. Carries the URL."""

    code = "host-not-listed"

    def __init__(self, message: str, url: str) -> None:
        super().__init__(message)
        self.url = url

    def __reduce__(self) -> Any:
        return type(self), (str(self), self.url)


class SourceMissingError(SourceError):
    """There is no source under that name."""

    code = "source-missing"


class SourceTooLargeError(SourceError):
    """The source has more bytes than the server reads, or more pixels or frames than it decodes."""

    code = "source-too-large"


class SourceTooSlowError(SourceError):
    """Making the thumbnail of the source takes longer than the server works on one."""

    code = "source-too-slow"


class SourceInvalidError(SourceError):
    """The source is not an image that the engine can turn into the thumbnail asked for."""

    code = "source-invalid"


class SourceFormatError(SourceInvalidError):
    """The source is not an image of a format that the server reads."""

    code = "source-format"


class TokenError(ShrinkmeisterError):
    """A token that none of our secret keys has sealed, or of a version unknown here."""

    code = "token"


class TokenExpiredError(TokenError):
    """A genuine token whose time is over."""

    code = "token-expired"


class OverloadError(ShrinkmeisterError):
    """The server makes as many thumbnails as it can, and as many requests wait as may."""

    code = "overload"


class OutOfTimeError(ShrinkmeisterError):
    """A thumbnail of a batch that has not been made yet when its time is over."""

    code = "out-of-time"


class BatchError(ShrinkmeisterError):
    """A request for several thumbnails that is not in its form; the message is for whoever has sent it."""

    code = "batch"


class BatchLengthError(BatchError):
    """One of which nobody says how long it is."""

    code = "batch-length"


class BatchTooLargeError(BatchError):
    """One for more thumbnails than the server answers for at once."""

    code = "batch-too-large"


class ResolutionError(ShrinkmeisterError):
    """A resolution (`@3x`) that THUMBNAIL_ALTERNATIVE_RESOLUTIONS does not list."""

    code = "resolution"


class NotStoredError(ShrinkmeisterError, FileNotFoundError):
    """A thumbnail has no file: it cannot be made, or it is a placeholder or an image of another host."""

    code = "not-stored"


class ReadOnlyError(ShrinkmeisterError):
    """A thumbnail is to be written by its caller. Its name says what the server makes it of."""

    code = "read-only"


class PrivateNameError(ShrinkmeisterError, AttributeError):
    """The caller used a name of sorl's own backend that this backend does not have."""

    code = "private-name"


class RecordError(ShrinkmeisterError, ValueError):
    """What the shared cache holds under our key is not a record of ours."""

    code = "record"


class DriverError(ShrinkmeisterError):
    """The shared cache did not do what it was asked: dead, refusing, too slow."""

    code = "driver"


class StorageError(ShrinkmeisterError):
    """A storage failed in another way than by not having the file. Trying again may help."""

    code = "storage"


class StorageBusyError(StorageError):
    """A storage is asked for too much. Trying again helps, later."""

    code = "storage-busy"


class StorageDeniedError(StorageError):
    """A storage refuses us, or does not exist: keys, rights or names are wrong. Trying again is no use."""

    code = "storage-denied"
