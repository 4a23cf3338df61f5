from django.db import models
from sorl.thumbnail import ImageField


class Photo(models.Model):
    image = ImageField(upload_to="photos/")

    class Meta:
        app_label = "site"
