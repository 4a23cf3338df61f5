import uuid

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


class NobodysManager(models.Manager["Portrait"]):
    """Hides all: what looks for rows has to look past it."""

    def get_queryset(self) -> "models.QuerySet[Portrait]":
        return super().get_queryset().none()


class Portrait(models.Model):
    """Has a key before it is saved."""

    id: "models.UUIDField[uuid.UUID, uuid.UUID]" = models.UUIDField(primary_key=True, default=uuid.uuid4)
    image = models.ImageField(upload_to="portraits/")

    objects = NobodysManager()

    class Meta:
        app_label = "site"


class Room(models.Model):
    """Has related photos of each kind."""

    poster: "models.ForeignKey[Photo | None, Photo | None]" = models.ForeignKey(
        Photo, models.CASCADE, null=True, related_name="poster_of"
    )
    photos: "models.ManyToManyField[Photo, Photo]" = models.ManyToManyField(Photo, related_name="rooms")

    class Meta:
        app_label = "site"
