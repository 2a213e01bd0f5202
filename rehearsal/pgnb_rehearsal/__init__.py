"""An embedded loopback Kubernetes whose pods are real PostgreSQL servers."""
