"""The gateway: the process that owns the public port.

It answers `/endpoints/{owner}/{name}/...` from the routes document alone, and passes everything else to the platform.
It imports neither the platform nor a web framework, so that it stays small and goes on serving whatever happens to
the rest.
"""
