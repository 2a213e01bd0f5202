"""Values to figures, without I/O: each plot's title states what it shows."""

from pgnb.observe.plots.lag import lag
from pgnb.observe.plots.style import Plot
from pgnb.observe.plots.topology import topology

__all__ = ["Plot", "lag", "topology"]
