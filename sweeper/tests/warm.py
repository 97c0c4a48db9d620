"""What the server of `processes` does once: to compose and to parse, which fills caches.

The parsers of Hydra and of OmegaConf learn their grammars from what they parse, for a tenth of a
second in each process. To tell an error, Hydra looks at the stack, and Python then goes through
the files of all modules, for as long. SQLAlchemy makes up the classes of Optuna's databases when
the first is opened, for half a second.
"""

import inspect
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from optuna.storages import RDBStorage

OVERRIDES = [
    *("a.b_c=tag(log,interval(0.001,0.1))", "a=choice(1,2)", "a=int(range(1,3))", "a=1e-3,x"),
    *("+a=[a,{b: 1}]", "a='x {y}'", "a/b@c=d", "a=${b}", "~a"),
]

with initialize_config_dir(str(Path(__file__).parent / "applications" / "foreign")):
    compose("config", ["x=1"], return_hydra_config=True)
OverridesParser.create().parse_overrides(OVERRIDES)
inspect.stack()
RDBStorage("sqlite://").engine.dispose()
