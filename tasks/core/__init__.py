"""What everything stands on: errors, logs, settings, secrets, profiles, and the values and questions that all slices share."""
