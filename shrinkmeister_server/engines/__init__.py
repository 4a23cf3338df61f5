"""sorl engines that decode no more of a source than its thumbnails need."""
