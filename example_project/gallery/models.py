from typing import Any

from django.db import models
from django.urls import reverse
from django.utils import timezone
from sorl.thumbnail import ImageField


class Photo(models.Model):
    title: "models.CharField[str, str]" = models.CharField(max_length=120)
    image = ImageField(upload_to="photos/")
    created: "models.DateTimeField[Any, Any]" = models.DateTimeField(default=timezone.now, db_index=True)

    class Meta:
        # The key too: two uploads may fall into one moment, and pages must not overlap.
        ordering = ["-created", "-pk"]

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        return str(reverse("photo", args=[self.pk]))
