from django.db import models
from sorl.thumbnail import ImageField


class Photo(models.Model):
    title: "models.CharField[str, str]" = models.CharField(max_length=100, blank=True)
    image = ImageField(upload_to="photos/", blank=True)

    class Meta:
        app_label = "site"


class Album(Photo):
    """Has a field of its own beside the one that it inherits."""

    cover = models.ImageField(upload_to="covers/")

    class Meta:
        app_label = "site"
