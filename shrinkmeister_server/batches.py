"""The body of `POST /thumbnails`, in which an app names several thumbnails.

{"thumbnails": ["AWpK-8fd....jpg", "https://thumbs.example.com/ASso1ywx...@2x.jpg"], "seconds": 2}
"""

import json
import math

from shrinkmeister.exceptions import BatchError, BatchTooLargeError
from shrinkmeister.protocol.encryption import MAX_LENGTH


def max_body(max_thumbnails: int) -> int:
    """Return the number of bytes that the body for so many thumbnails may have."""
    # Each text is a token of MAX_LENGTH characters at most, and perhaps a short address before it.
    return 2 * MAX_LENGTH * max_thumbnails + 1000


def parse_batch(body: bytes, max_thumbnails: int, max_seconds: float) -> tuple[list[str], float]:
    """Return the texts of a body, and the seconds after which the server begins no other thumbnail.

    A text is a URL of this server, its last part, or a token. Raises BatchError.
    """
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BatchError("The body is not JSON.") from error
    texts = fields.get("thumbnails") if isinstance(fields, dict) else None
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise BatchError('The body is not {"thumbnails": ["<token>.jpg", ...]}.')
    if len(texts) > max_thumbnails:
        asked = f"The body asks for {len(texts)} thumbnails"
        raise BatchTooLargeError(f"{asked}, but this server answers at most {max_thumbnails} at once.")
    seconds = fields.get("seconds", max_seconds)
    if type(seconds) not in (int, float) or not 0 <= seconds < math.inf:
        raise BatchError('"seconds" in the body is not a number of at least 0.')
    return texts, min(seconds, max_seconds)
