"""Load on a running Saxaul: `locust -f loadtest/locustfile.py --host http://127.0.0.1:8000`.

The key comes from SAXAUL_PARTNER_KEY, or from demo.json in SAXAUL_HOME. -u and -r say how many
users; SAXAUL_LOAD_SHAPE=steady, ripening, sellout, double11 or peak (shapes.py) runs a curve.
Each kind of request is judged against budget.toml at the end; the exit code is the verdict.
"""

import os
import sys
from pathlib import Path

# Locust reads this file from its path alone, also where the folder is mounted by itself.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from loadtest.hooks import HookMerchant
from loadtest.merchants import BatchMerchant, CarelessMerchant, SingleMerchant, Watcher
from loadtest.people import Person, Reader
from loadtest.shapes import SHAPES

__all__ = [
    "BatchMerchant",
    "CarelessMerchant",
    "HookMerchant",
    "Person",
    "Reader",
    "SingleMerchant",
    "Watcher",
]

if wanted := os.environ.get("SAXAUL_LOAD_SHAPE"):
    Shape = SHAPES[wanted]
