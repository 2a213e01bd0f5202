"""Running notebooks: parameters, papermill, the verdict and the archive of records."""
