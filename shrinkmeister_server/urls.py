from django.urls import path, re_path

from shrinkmeister.protocol.lazy_urls import PATTERN
from shrinkmeister_server.views import (
    BatchView,
    DoctorView,
    HealthView,
    LivenessView,
    MetricsView,
    ThumbnailView,
    bad_request,
    not_found,
    server_error,
)

urlpatterns = [
    path("livez", LivenessView.as_view()),
    path("healthz", HealthView.as_view()),
    path("metrics", MetricsView.as_view()),
    path("doctor/<str:question>", DoctorView.as_view()),
    path("thumbnails", BatchView.as_view()),
    re_path(rf"^{PATTERN}$", ThumbnailView.as_view()),
]
handler400 = bad_request
handler404 = not_found
handler500 = server_error
