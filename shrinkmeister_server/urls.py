from django.urls import path, re_path

from shrinkmeister.spec import EXTENSIONS
from shrinkmeister_server.views import (
    DoctorView,
    HealthView,
    MetricsView,
    ThumbnailView,
    bad_request,
    not_found,
    server_error,
)

urlpatterns = [
    path("healthz", HealthView.as_view()),
    path("metrics", MetricsView.as_view()),
    path("doctor/<str:question>", DoctorView.as_view()),
    # <token>.jpg, <token>@2x.jpg, <token>@1.5x.jpg; and not robots.txt
    re_path(
        r"^(?P<token>[A-Za-z0-9_-]+)(?:@(?P<resolution>[0-9.]+)x)?"
        rf"\.(?P<extension>{'|'.join(EXTENSIONS.values())})$",
        ThumbnailView.as_view(),
    ),
]
handler400 = bad_request
handler404 = not_found
handler500 = server_error
