"""sorl engines that decode only as much of a source as its thumbnails need."""
