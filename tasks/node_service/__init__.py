"""One node drained, uncordoned or rebooted, because a person or an incident wants it."""
