from pathlib import PurePath
from typing import Any

from django import forms

from gallery.models import Photo


class UploadForm(forms.ModelForm):  # type: ignore[type-arg]  # only the stubs have a parameter
    """Add a photo. sorl's form field checks that the file is an image."""

    class Meta:
        model = Photo
        fields = ["image", "title"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.label_suffix = ""
        self.fields["title"].required = False
        self.fields["title"].widget.attrs["placeholder"] = "The file's name, if left empty"

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if not cleaned.get("title") and cleaned.get("image"):
            stem = PurePath(cleaned["image"].name).stem
            cleaned["title"] = stem.replace("_", " ").replace("-", " ")[:120].strip() or "Untitled"
        return cleaned
