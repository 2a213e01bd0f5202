"""The container runtime of the rehearsal cluster: namespaces, root file systems, processes, images."""
