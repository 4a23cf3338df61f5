"""Deployment on AWS Lambda: steps before and after Zappa. No server loads this package.

stage         one stage of zappa_settings.json, from a few answers
policy        iam_policy.json: the rights of the function
package       the zip that Zappa has made, finished
callbacks     functions that Zappa calls, besides `package.finish`; one says who may invoke the function
libraries     native libraries of the package, which Lambda's runtime has to load
plausibility  values that the server refuses, and those that cannot work on AWS, or may not
site          the same settings for the site
command       `python -m shrinkmeister_server init | policy | site`
"""
