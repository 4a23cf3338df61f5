"""Long jobs over all thumbnails: adopt, clear, prune, and the bucket's lifecycle rule.

Each job goes through a listing of stored objects, some hundreds at a time, and yields its progress. It
raises on the first error; running it again resumes.
"""
