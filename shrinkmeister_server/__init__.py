"""The thumbnail server: a ready Django project for AWS Lambda or any WSGI host."""
