"""The admin is the one page of the site: the tests render their own templates."""

from django.contrib import admin
from django.urls import path

urlpatterns = [path("admin/", admin.site.urls)]
