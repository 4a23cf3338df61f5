"""Deployment on AWS Lambda: steps before and after Zappa. No server loads this package."""
