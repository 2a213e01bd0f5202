"""The API server of the rehearsal cluster: the object store and the Kubernetes REST API in front of it."""
