"""Plot values as figures, without I/O: each plot's title is its finding."""

from pgnb.observe.plots.counts import counts
from pgnb.observe.plots.gaps import gaps
from pgnb.observe.plots.lag import lag
from pgnb.observe.plots.monitor import monitor
from pgnb.observe.plots.retention import retention
from pgnb.observe.plots.style import Plot
from pgnb.observe.plots.timeline import timeline
from pgnb.observe.plots.topology import topology

__all__ = ["Plot", "counts", "gaps", "lag", "monitor", "retention", "timeline", "topology"]
