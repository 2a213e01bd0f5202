"""What pgnb costs, each figure beside the same work done without it, in one run: `make bench`."""
