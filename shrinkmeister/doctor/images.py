"""The doctor loads an image as a browser does: without rights, and with its redirects."""

from shrinkmeister.doctor.http import Response, Unreachable, get


class NotLoaded(Exception):  # noqa: N818 - the doctor reports it as a finding
    """A browser does not show the image; `response` is None if no answer came."""

    def __init__(self, message: str, response: Response | None) -> None:
        super().__init__(message)
        self.response = response


def load_image(url: str, timeout: float, content_type: str, body: bytes | None = None) -> Response:
    """Load an image that has to have this type and, unless None, these bytes. Raises NotLoaded."""
    try:
        response = get(url, timeout, redirects=True)
    except Unreachable as error:
        raise NotLoaded(str(error), None) from error
    if response.status != 200:
        raise NotLoaded(f"the answer is {response.status}", response)
    if body is not None and response.body != body:
        raise NotLoaded("it is not what the server has stored", response)
    if response.content_type != content_type:
        raise NotLoaded(f"its type is {response.content_type!r}, not {content_type!r}", response)
    return response
