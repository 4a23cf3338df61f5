"""The error tree of client and server.

`shrinkmeister.error_policy` defines the status and the hint of each error. `shrinkmeister.sorl_errors`
makes each one sorl's error, too, for code that was written for sorl.
"""

import re
from typing import Any, ClassVar


class ShrinkmeisterError(Exception):
    """The root of all errors that Shrinkmeister raises on purpose.

    code: the name of the class in kebab-case, such as "source-missing" for SourceMissingError. Clients rely
    on codes, so the name of a class never changes. Its messages may change.
    """

    code: ClassVar[str] = "error"

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        words = re.findall("[A-Z]+[a-z0-9]*", cls.__name__.removesuffix("Error"))
        cls.code = "-".join(words).lower()


class SpecError(ShrinkmeisterError, ValueError):
    """A geometry, an option or a source name is invalid."""


class EmptyFileError(ShrinkmeisterError, ValueError):
    """The caller passed no file, for example an empty image field."""


class SourceError(ShrinkmeisterError):
    """The source cannot be used."""


class SourceNotAllowedError(SourceError):
    """The source is outside the allow-list, or in a storage that STORAGES does not contain."""


class HostNotListedError(SourceNotAllowedError):
    """The source is a URL, and THUMBNAIL_SOURCES does not list its host. The error contains the URL."""

    def __init__(self, message: str, url: str) -> None:
        super().__init__(message)
        self.url = url

    def __reduce__(self) -> Any:
        return type(self), (str(self), self.url)


class SourceMissingError(SourceError):
    """The source does not exist."""


class SourceTooLargeError(SourceError):
    """The source has more bytes than the server reads, or more pixels or frames than it decodes."""


class OutOfMemoryError(SourceTooLargeError):
    """The server does not have enough free memory for the source at the moment."""


class SourceTooSlowError(SourceError):
    """The server stopped because the thumbnail took longer than THUMBNAIL_MAX_SECONDS."""


class SourceInvalidError(SourceError):
    """The engine cannot make the requested thumbnail of the source."""


class SourceFormatError(SourceInvalidError):
    """The source is not an image of a format that the server reads."""


class TokenError(ShrinkmeisterError):
    """No secret decrypts the token, or its version is unknown."""


class TokenExpiredError(TokenError):
    """The token is genuine, but has expired."""


class OverloadError(ShrinkmeisterError):
    """The server already makes or queues the maximum number of thumbnails."""


class ClientGoneError(ShrinkmeisterError):
    """The client closed its connection before the server began the costly part of its thumbnail."""


class OutOfTimeError(ShrinkmeisterError):
    """The time of a batch request was over before this thumbnail."""


class BatchError(ShrinkmeisterError):
    """The batch request is invalid. The client sees the message."""


class BatchLengthError(BatchError):
    """The batch request does not have a valid Content-Length."""


class BatchTooLargeError(BatchError):
    """The batch request contains more thumbnails or bytes than the server accepts."""


class ResolutionError(ShrinkmeisterError):
    """THUMBNAIL_ALTERNATIVE_RESOLUTIONS does not list the requested resolution (`@3x`)."""


class NotStoredError(ShrinkmeisterError, FileNotFoundError):
    """A thumbnail has no file. Making it failed, or it is a placeholder or an image of another host."""


class ReadOnlyError(ShrinkmeisterError):
    """The caller tried to write a thumbnail. Its content depends only on its name, so it is read-only."""


class PrivateNameError(ShrinkmeisterError, AttributeError):
    """The caller used a name of sorl's own backend that this backend does not have."""


class RecordError(ShrinkmeisterError, ValueError):
    """The value of a key in the shared cache is not a valid record."""


class DriverError(ShrinkmeisterError):
    """The shared cache is unreachable, too slow, or refused a command."""


class StorageError(ShrinkmeisterError):
    """A storage failed, but not because a file is missing. A retry may help."""


class StorageBusyError(StorageError):
    """A storage limits the rate of requests. A later retry helps."""


class StorageDeniedError(StorageError):
    """A bucket or folder denies access, or a bucket does not exist. A retry does not help."""
