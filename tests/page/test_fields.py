"""sorl's ImageField in a model, in a form and in the admin, whose widget shows a thumbnail."""

import re
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.storage import storages
from django.core.files.uploadedfile import SimpleUploadedFile
from django.forms import modelform_factory
from django.test import Client
from sorl.thumbnail import get_thumbnail
from sorl.thumbnail.models import KVStore

from shrinkmeister.eager import eager_thumbnails
from tests.site.models import Photo
from tests.support.pictures import picture

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin(media: Path) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("admin"))
    return client


def upload(name: str = "dawn.jpg", data: bytes = b"") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, data or picture((400, 300)), "image/jpeg")


def test_uploading_through_a_form(media: Path) -> None:
    form_class: Any = modelform_factory(Photo, fields=["image"])
    photo = form_class({}, {"image": upload()}).save()
    assert get_thumbnail(photo.image, "300").lazy
    form = form_class({}, {"image": upload(data=b"no image")})
    assert "Upload a valid image" in str(form.errors)
    # Clearing it, as the widget's box does.
    form = form_class({"image-clear": "on"}, {}, instance=photo)
    assert form.save().image.name == ""


@pytest.mark.makes_thumbnails
def test_the_page_of_the_admin(
    admin: Client, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = admin.post("/admin/site/photo/add/", {"image": upload()})
    assert answer.status_code == 302
    photo = Photo.objects.get()
    monkeypatch.setattr(type(storages["default"]), "open", lambda *args: pytest.fail("opened a file"))
    page = admin.get(f"/admin/site/photo/{photo.pk}/change/").content.decode()
    mini = get_thumbnail(photo.image, "x80", upscale=False, format="JPEG")
    assert mini.lazy
    assert f'<img src="{mini.url}">' in page
    assert KVStore.objects.count() == 0
    monkeypatch.undo()

    with eager_thumbnails():
        get_thumbnail(photo.image, "x80", upscale=False, format="JPEG")
    page = admin.get(f"/admin/site/photo/{photo.pk}/change/").content.decode()
    assert re.search(r'style="width:107px;[^>]*>\s*<img src="https://example.com/media/cache/', page)
    assert [r for r in caplog.records if r.name.startswith(("sorl", "shrinkmeister"))] == []


def test_a_photo_without_a_file(admin: Client) -> None:
    photo = Photo.objects.create()
    page = admin.get(f"/admin/site/photo/{photo.pk}/change/").content.decode()
    assert 'class="thumbnail"' not in page
