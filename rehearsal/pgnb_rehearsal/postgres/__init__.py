"""The image `postgres:<major>`: where its binaries come from, and its entry point."""
