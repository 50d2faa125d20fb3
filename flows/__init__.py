"""Each file holds one runbook: a Prefect flow with the same name. Its body reads like the procedure."""
