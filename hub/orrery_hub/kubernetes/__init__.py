"""JupyterHub on Kubernetes: each notebook is a pod with a volume of its own.

`site` says what this cluster is like, `shares` maps shared storage, `pod` makes what KubeSpawner is told from what the
platform wants, `spawner` does it, `cluster` fills JupyterHub's configuration, `profiles` serves hubs that have no
platform. Nothing here is loaded outside a cluster.
"""
