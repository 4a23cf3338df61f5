"""Limits of a source that no setting changes."""

# A decoder goes over all pixels for each scan of a progressive JPEG, and a scan can take 20 bytes. Encoders
# make some 10; libtiff, for a JPEG in a TIFF, has the same limit.
MAX_SCANS = 100

# Libraries allocate one object for each part when they open a source: segments of a JPEG, chunks of a PNG,
# strips or tiles of a TIFF. A PNG is written in chunks of some KB, and a TIFF in strips of a row at least.
MAX_PARTS = 100_000

# Of EXIF, in one directory of it, and in a JPEG, whose segments have 64 KB. Cameras write one segment and
# some hundred values; bytes and texts are one, whatever their length.
MAX_EXIF_BYTES = 2_000_000
MAX_EXIF_VALUES = 10_000
MAX_EXIF_SEGMENTS = 64

# libvips reads the directories of all pages of a TIFF to open its first one: a million take minutes.
MAX_PAGES = 1000

# Pillow allocates a pointer for each row, and filters some numbers for each row and column: gigabytes for a
# picture of 1 x 50,000,000 pixels. JPEG and GIF end at 65,535.
MAX_SIDE = 100_000

# libvips looks for each frame of a WebP from its first one on: 20,000 frames take 20 seconds.
MAX_WEBP_FRAMES = 5_000

# Pillow copies what it has read of a plain PNM for each comment in it: a megabyte of them takes minutes.
MAX_COMMENTS = 1_000
