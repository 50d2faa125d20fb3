"""Provides the shared base: errors, logs, settings, secrets, profiles, and the models and probes of all slices."""
