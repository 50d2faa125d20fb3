"""Answers of other programs, in their own words."""

from tasks.core.models.outside.objects import *  # noqa: F403 - until each subject has a module of its own
