"""Lazy thumbnails for Django sites that use sorl-thumbnail: the plug-in that a site installs."""

__version__ = "1.0.0rc1"
