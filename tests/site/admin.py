from django.contrib import admin
from sorl.thumbnail.admin import AdminImageMixin

from tests.site.models import Photo


@admin.register(Photo)
class PhotoAdmin(AdminImageMixin, admin.ModelAdmin):  # type: ignore[misc,type-arg]  # sorl has no types
    """As sorl's documentation has it."""
