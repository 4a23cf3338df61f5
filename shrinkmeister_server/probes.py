"""The paths that load balancers and orchestrators request, with a machine's own address as the Host."""

from django.http import HttpRequest, HttpResponsePermanentRedirect
from django.middleware.common import CommonMiddleware

# AWS' load balancers and Kubernetes send the target's address as the Host. The answers do not depend on it.
PROBES = frozenset({"/livez", "/healthz"})


class HostMiddleware(CommonMiddleware):
    """Compares the Host header with ALLOWED_HOSTS, as Django's own middleware does, except for probes."""

    def process_request(self, request: HttpRequest) -> HttpResponsePermanentRedirect | None:
        return None if request.path_info in PROBES else super().process_request(request)
