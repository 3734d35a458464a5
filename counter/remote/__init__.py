"""Files that are reached by a URL: ``s3://``, ``gs://``, ``https://``, ``sftp://``, by fsspec.

The only room that knows fsspec, which is imported when the first URL is met and not before.
"""
