"""On AWS Lambda with Zappa: what is done before and after it runs. No server loads any of it.

stage     zappa_settings.json: one stage of it, from a few answers
policy    iam_policy.json: what the function may do
package   the zip, once Zappa has made it
site      the same settings for the site
command   `python -m shrinkmeister_server init | policy | site`
"""
