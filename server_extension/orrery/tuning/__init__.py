"""The search behind a tuning: Optuna, in a process of its own (`studies` talks to it)."""
