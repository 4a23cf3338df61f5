"""Deploy the server to AWS Lambda with Zappa. A running server loads none of these modules.

stage         zappa_settings.json: one stage of it, from a few answers
policy        iam_policy.json: what the function may do
package       finishes the zip that Zappa has made
libraries     the native libraries in the zip
invocation    the function's own policy: who may invoke it
callbacks     what Zappa calls, besides `package.finish`
plausibility  values that cannot work on AWS, or may not
site          the same settings for the site
command       `python -m shrinkmeister_server init | policy | site`
"""
