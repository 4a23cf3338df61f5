"""The pages of the gallery. They do not depend on the backend: the templates use sorl's tag as usual."""

from django.conf import settings
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
        messages.success(request, f"“{photo}” is now in the gallery.")
        return redirect("gallery")
    return render(request, "gallery/upload.html", {"form": form})


@require_safe
def photo(request: HttpRequest, pk: int) -> HttpResponse:
    photo = get_object_or_404(Photo, pk=pk)
    same_time = Q(created=photo.created)
    newer = Photo.objects.filter(Q(created__gt=photo.created) | same_time & Q(pk__gt=pk))
    older = Photo.objects.filter(Q(created__lt=photo.created) | same_time & Q(pk__lt=pk))
    context = {"photo": photo, "previous": newer.last(), "next": older.first()}
    return render(request, "gallery/photo.html", context)


@require_POST
def delete(request: HttpRequest, pk: int) -> HttpResponse:
    photo = get_object_or_404(Photo, pk=pk)
    # Delete the file and its thumbnails before the row. If this fails, the visitor can try again.
    thumbnail.delete(photo.image)
    photo.delete()
    messages.success(request, f"Deleted “{photo}” and its copies.")
    return redirect("gallery")


@require_POST
def forget(request: HttpRequest) -> HttpResponse:
    Photo.delete_thumbnails()
    messages.success(request, "Deleted all copies. This page started without any.")
    return redirect(reverse("gallery", query=request.GET))


@require_http_methods(["GET", "HEAD", "POST"])
def compare(request: HttpRequest) -> HttpResponse:
    """Show the costs of both backends. The page's script posts here to delete all thumbnails."""
    if request.method == "POST":
        Photo.delete_thumbnails()
        return HttpResponse(status=204)
    context = {"cache_server": bool(settings.THUMBNAIL_CACHE_LOCATION)}
    return render(request, "gallery/compare.html", context)
