"""An upgrade of Kubernetes."""
