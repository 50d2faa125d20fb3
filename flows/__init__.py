"""The runbooks: one file, one flow, named alike. A flow body reads like the procedure that it is."""
