"""Static pods of a control plane node: what is there, taken away from kubelet, and given back."""
