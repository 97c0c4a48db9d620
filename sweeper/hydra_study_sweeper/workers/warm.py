"""What is done once for all worker processes: the server from which they are forked imports it.

Hydra looks for its plugins in a tenth of a second, and its parser learns its grammar from what it
parses.
"""

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins

Plugins.instance()
OverridesParser.create().parse_overrides(
    ["a.b_c=1", "+a=-1e-3", "a='x {y}'", "a=[1,{b: 1}]", "a/b@c=d"]
)
