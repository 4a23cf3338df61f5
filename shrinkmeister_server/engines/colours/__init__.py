"""The colours of a thumbnail: what its pixels mean, and the profile that it carries."""
