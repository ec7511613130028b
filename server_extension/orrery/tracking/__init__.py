"""MLflow beside the platform: its server started on first use, its door, and what the platform writes into it.

Only `worker` and `repository` import mlflow, and they run in MLflow's own process.
"""
