"""What runs in the process of an app: a web application of a resource, on a unix socket behind the gateway.

The gateway has asked who visits, takes the prefix off the path and says in `X-Forwarded-Prefix` where the browser sees
the app. An app keeps no session of its own: it gets no cookies and no token, and whatever cookies it sets are lost.
"""
