from django.conf import settings
from django.urls import include, path, re_path
from django.views.static import serve

urlpatterns = [
    # On a real site the web server does this.
    re_path(r"^media/(?P<path>.*)$", serve, {"document_root": settings.MEDIA_ROOT}),
    path("", include("gallery.urls")),
]
