from django.conf import settings
from django.urls import include, path, re_path
from django.views.static import serve

urlpatterns = [
    # A real site leaves this to its web server.
    re_path(r"^media/(?P<path>.*)$", serve, {"document_root": settings.MEDIA_ROOT}),
    path("", include("gallery.urls")),
]
