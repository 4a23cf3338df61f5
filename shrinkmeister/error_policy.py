"""What follows from each error: its HTTP status, its public answer, and what to do about it.

A class without a row has the row of its nearest parent. So an error that never leaves a site needs no row.
"""

from dataclasses import dataclass

from shrinkmeister import exceptions as errors
from shrinkmeister.conf import SettingError

# The Retry-After of an error that may pass by itself.
RETRY_SECONDS = 10
# The code of an error that Shrinkmeister did not raise on purpose.
UNEXPECTED = "server-error"
# The status for a client that is gone, as in nginx's log. No client sees it.
CLIENT_GONE = 499
LOG_HINT = "The server's log says more."


@dataclass(frozen=True)
class Policy:
    """The consequences of an error.

    status      HTTP status of the server's answer
    answer      public message, which never describes the source; None if the error's own message is safe
    hint        what an operator can do, for the doctor
    retry       whether the error may pass by itself: then the answer has a Retry-After
    remembered  name of the failure in the shared cache, where it stays for THUMBNAIL_ERROR_TTL; None if the
                next request tries again
    """

    status: int
    answer: str | None
    hint: str = LOG_HINT
    retry: bool = False
    remembered: str | None = None


TOO_LARGE = "The image of this URL is too large."
SMALLER = "Take a smaller image, or raise the limit that the server's log names."
OTHER_IMAGE = "Take another image; the server's log says what is wrong with this one."
STORAGE_HINT = "The server's log says how the storage of the sources, or that of the thumbnails, failed."
BUSY = "The server, or a storage, has too much to do: try again."
FAILED = "The server failed."

POLICIES: dict[type[Exception], Policy] = {
    errors.TokenExpiredError: Policy(410, "This URL has expired."),
    errors.TokenError: Policy(
        403,
        "This URL was not made by a client of this server.",
        "Set the same THUMBNAIL_SECRET_KEY on the site and on the server.",
    ),
    errors.SourceNotAllowedError: Policy(
        403,
        "The image of this URL lies where this server may not read.",
        "List the place of the source in THUMBNAIL_SOURCES of the server.",
    ),
    errors.SourceMissingError: Policy(
        404,
        "The image of this URL does not exist.",
        "Name a source that exists: the server looks for it with its own account and its own STORAGES.",
        remembered="missing",
    ),
    errors.SourceTooLargeError: Policy(413, TOO_LARGE, SMALLER, remembered="large"),
    errors.OutOfMemoryError: Policy(
        413, TOO_LARGE, "Take a smaller image, or give the server more memory."
    ),
    # Clients and CDNs repeat 503 and 504 by themselves, and another try would take as long.
    errors.SourceTooSlowError: Policy(
        422,
        "The image of this URL takes too long to be made into this thumbnail.",
        OTHER_IMAGE,
        remembered="slow",
    ),
    errors.SourceFormatError: Policy(
        415,
        "The file of this URL is not an image of a known format.",
        "Name the file of an image.",
        remembered="format",
    ),
    errors.SourceInvalidError: Policy(
        422, "The image of this URL cannot be made into this thumbnail.", OTHER_IMAGE, remembered="invalid"
    ),
    errors.SpecError: Policy(422, "This thumbnail cannot be made.", OTHER_IMAGE),
    errors.ResolutionError: Policy(404, "This server does not make thumbnails in this resolution."),
    errors.BatchTooLargeError: Policy(413, None),
    errors.BatchLengthError: Policy(411, None),
    errors.BatchError: Policy(400, None),
    errors.OutOfTimeError: Policy(202, "There was no time to make this thumbnail; its own URL makes it."),
    errors.ClientGoneError: Policy(CLIENT_GONE, "The client has closed the connection."),
    errors.OverloadError: Policy(
        503, "The server makes as many thumbnails as it can. Try again later.", BUSY, True
    ),
    errors.DriverError: Policy(
        503, "The shared cache failed. Try again later.", "Check the shared cache; see its finding.", True
    ),
    errors.StorageBusyError: Policy(503, "The storage of images is busy. Try again later.", BUSY, True),
    errors.StorageDeniedError: Policy(
        502, "The storage of images does not let this server in; its log says more.", STORAGE_HINT
    ),
    errors.StorageError: Policy(502, "The storage of images failed. Try again.", STORAGE_HINT, True),
    SettingError: Policy(
        500,
        "The server is not set up rightly; its log says more.",
        "Run `python -m shrinkmeister_server check` on the server.",
    ),
    Exception: Policy(500, FAILED),
}
# The failures that the shared cache remembers, by their names there.
REMEMBERED = {policy.remembered: kind for kind, policy in POLICIES.items() if policy.remembered}


def policy_of(error: Exception) -> Policy:
    return next(POLICIES[kind] for kind in type(error).__mro__ if kind in POLICIES)


def code_of(error: Exception) -> str:
    return error.code if isinstance(error, errors.ShrinkmeisterError) else UNEXPECTED


def hint_of(code: object) -> str:
    """Return the hint for a code of a JSON answer, which may come from another version."""
    hints = (policy.hint for kind, policy in POLICIES.items() if getattr(kind, "code", None) == code)
    return next(hints, LOG_HINT)
