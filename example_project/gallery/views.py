"""Nothing here knows which backend makes the thumbnails: the templates use sorl's tag, as ever."""

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from sorl import thumbnail

from gallery.forms import UploadForm
from gallery.models import Photo

PER_PAGE = 60


@require_safe
def gallery(request: HttpRequest) -> HttpResponse:
    page = Paginator(Photo.objects.all(), PER_PAGE).get_page(request.GET.get("page"))
    return render(request, "gallery/gallery.html", {"page": page})


@require_http_methods(["GET", "HEAD", "POST"])
def upload(request: HttpRequest) -> HttpResponse:
    form = UploadForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        photo = form.save()
        messages.success(request, f"“{photo}” is in the gallery.")
        return redirect("gallery")
    return render(request, "gallery/upload.html", {"form": form})


@require_safe
def photo(request: HttpRequest, pk: int) -> HttpResponse:
    photo = get_object_or_404(Photo, pk=pk)
    same_moment = Q(created=photo.created)
    newer = Photo.objects.filter(Q(created__gt=photo.created) | same_moment & Q(pk__gt=pk))
    older = Photo.objects.filter(Q(created__lt=photo.created) | same_moment & Q(pk__lt=pk))
    context = {"photo": photo, "previous": newer.last(), "next": older.first()}
    return render(request, "gallery/photo.html", context)


@require_POST
def delete(request: HttpRequest, pk: int) -> HttpResponse:
    photo = get_object_or_404(Photo, pk=pk)
    # The file, its thumbnails, their records; first, so that it can be repeated if it fails.
    thumbnail.delete(photo.image)
    photo.delete()
    messages.success(request, f"“{photo}” is gone, and so are its thumbnails.")
    return redirect("gallery")


@require_POST
def forget(request: HttpRequest) -> HttpResponse:
    """Makes the next page a cold one."""
    for photo in Photo.objects.all():
        thumbnail.delete(photo.image, delete_file=False)
    messages.success(request, "All thumbnails are forgotten: this page is cold.")
    return redirect(reverse("gallery", query=request.GET))
