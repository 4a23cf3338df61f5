from django.urls import path, re_path

from shrinkmeister.protocol.tokens import PATTERN
from shrinkmeister_server import views

urlpatterns = [
    # Most requests ask for a thumbnail, so that this pattern is tried first.
    re_path(rf"^{PATTERN}$", views.ThumbnailView.as_view()),
    path("livez", views.LivenessView.as_view()),
    path("healthz", views.HealthView.as_view()),
    path("metrics", views.MetricsView.as_view()),
    path("doctor/<str:question>", views.DoctorView.as_view()),
    path("thumbnails", views.BatchView.as_view()),
]
handler400 = views.bad_request
handler404 = views.not_found
handler500 = views.server_error
