"""Connection texts, as physical replication uses them."""

from pgnb.server.conninfo import conninfo, quote, shown, without_password

__all__ = ["conninfo", "quote", "shown", "without_password"]
