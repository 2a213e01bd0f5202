"""The SQL of this floor; servers find its files as `logical/NAME`."""
