from typing import Any

from django.db import models
from django.urls import reverse
from django.utils import timezone
from sorl.thumbnail import ImageField, delete


class Photo(models.Model):
    title: "models.CharField[str, str]" = models.CharField(max_length=120)
    image = ImageField(upload_to="photos/")
    created: "models.DateTimeField[Any, Any]" = models.DateTimeField(default=timezone.now, db_index=True)

    class Meta:
        # The key makes the order certain where two uploads have the same time.
        ordering = ["-created", "-pk"]

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        return str(reverse("photo", args=[self.pk]))

    @classmethod
    def delete_thumbnails(cls) -> None:
        """Delete the thumbnails of all photos. The next page then starts cold."""
        for photo in cls.objects.all():
            delete(photo.image, delete_file=False)
