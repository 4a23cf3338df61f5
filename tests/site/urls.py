"""The site has no pages of its own: the tests render templates."""

urlpatterns: list[object] = []
