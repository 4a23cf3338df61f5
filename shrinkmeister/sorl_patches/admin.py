"""sorl's widget for an image field in Django's admin, with a thumbnail whose width is not known yet.

The widget writes the width into a style, as "width:Nonepx" for a lazy thumbnail. It is left out here, and
the browser takes the width of the picture.
"""

from functools import wraps
from typing import Any

from django.utils.safestring import SafeString, mark_safe

UNKNOWN_WIDTH = '<a style="width:Nonepx;'


def install() -> None:
    """Change the widget. Call once, when the admin is installed: it imports Django's widgets."""
    from sorl.thumbnail.admin.current import AdminImageWidget

    sorls = AdminImageWidget.render

    @wraps(sorls)
    def render(self: Any, *arguments: Any, **options: Any) -> SafeString:
        html: str = sorls(self, *arguments, **options)
        return mark_safe(html.replace(UNKNOWN_WIDTH, '<a style="'))

    AdminImageWidget.render = render
