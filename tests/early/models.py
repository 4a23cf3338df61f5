from sorl.thumbnail.templatetags.thumbnail import *  # noqa: F403
