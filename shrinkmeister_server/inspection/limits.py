"""Limits of a source that no setting changes."""

# A decoder goes over all pixels for each scan of a progressive JPEG, and a scan can take 20 bytes. Encoders
# write about 10 scans. libtiff has the same limit for a JPEG in a TIFF.
MAX_SCANS = 100

# Libraries allocate an object for each part when they open a source: segments of a JPEG, chunks of a PNG,
# strips or tiles of a TIFF. Encoders fill a chunk with some KB, and a strip with at least a row.
MAX_PARTS = 100_000

# Limits of EXIF: in all, in one of its directories, and in a JPEG, whose segments hold 64 KB. Cameras write
# one segment and some hundred values. Bytes and texts count as one value of any length.
MAX_EXIF_BYTES = 2_000_000
MAX_EXIF_VALUES = 10_000
MAX_EXIF_SEGMENTS = 64

# libvips reads the directories of all pages of a TIFF to open the first one. A million take minutes.
MAX_PAGES = 1000

# Pillow allocates a pointer for each row, and some numbers of a filter for each row and column. For a
# picture of 1 x 50,000,000 pixels these take gigabytes. Sides of a JPEG or GIF end at 65,535.
MAX_SIDE = 100_000

# libvips searches for each frame of a WebP from the first one on. 20,000 frames take 20 seconds.
MAX_WEBP_FRAMES = 5_000

# Pillow copies what it has read of a plain PNM for each comment. A megabyte of comments takes minutes.
MAX_COMMENTS = 1_000
