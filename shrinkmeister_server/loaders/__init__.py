"""Load the bytes of a source, within limits of size and time.

load         picks the loader by the source's scheme: the place to start reading
allow_list   whether THUMBNAIL_SOURCES names a source
s3, storage, http   the three loaders
host_check   which addresses a source's host may have
connections  HTTP connections to checked addresses, with bounded headers
limits       the bounds on time and size that all loaders share
"""
