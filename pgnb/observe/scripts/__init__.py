"""Programs that run in a pod of their own."""
