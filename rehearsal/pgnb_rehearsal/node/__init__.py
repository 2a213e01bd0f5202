"""The node: what a kubelet and a kube-proxy do for the pods of the rehearsal cluster."""
