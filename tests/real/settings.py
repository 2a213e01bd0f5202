"""What the suite is told about the cluster, by environment variables."""

from __future__ import annotations

import os

KUBECONFIG = os.environ.get("PGNB_REAL_KUBECONFIG", "")
"""A kubeconfig whose current context is a cluster to try things on; $KUBECONFIG may mean another."""
IMAGE = os.environ.get("PGNB_REAL_IMAGE", "postgres:17")
GLIBC_IMAGE = os.environ.get("PGNB_REAL_GLIBC_IMAGE", "postgres:17-bookworm")
MUSL_IMAGE = os.environ.get("PGNB_REAL_MUSL_IMAGE", "postgres:17-alpine")
UID = int(os.environ.get("PGNB_REAL_UID", "999"))
"""The user `postgres` of IMAGE."""
STORAGE_CLASS = os.environ.get("PGNB_REAL_STORAGE_CLASS", "")
"""Of the servers' claims; empty: the cluster's default."""
MAY_MARK_NODES = os.environ.get("PGNB_REAL_MAY_MARK_NODES", "") == "1"
"""Whether nodes may be labelled, and tainted for a minute: then nothing else is scheduled on them."""
START = 300.0
"""Seconds for a server to be Ready on a cluster that pulls images and attaches volumes."""
