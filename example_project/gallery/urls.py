from django.urls import path

from gallery import views

urlpatterns = [
    path("", views.gallery, name="gallery"),
    path("upload", views.upload, name="upload"),
    path("photos/<int:pk>", views.photo, name="photo"),
    path("photos/<int:pk>/delete", views.delete, name="delete"),
    path("forget", views.forget, name="forget"),
    path("compare", views.compare, name="compare"),
]
