"""On AWS Lambda with Zappa: what is done before and after it runs. No server loads any of it.

stage         zappa_settings.json: one stage of it, from a few answers
policy        iam_policy.json: what the function may do
package       the zip, once Zappa has made it
invocation    the function's own policy: who may invoke it
callbacks     what Zappa calls, besides `package.finish`
plausibility  values that cannot work on AWS, or may not
site          the same settings for the site
command       `python -m shrinkmeister_server init | policy | site`
"""
