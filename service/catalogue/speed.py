"""`python -m service.catalogue.speed`: what a sum costs and what loading costs, as JSON.

The mix is every worked case of every published version, each assessed many times; the benchmark
of the whole system runs this in a process of its own.
"""

import argparse
import statistics
import sys
from collections.abc import Callable, Iterator
from functools import partial

import orjson

from methodologies.catalogue import Catalogue, load_catalogue
from service.clock import cpu_seconds

ROUNDS = 5


def measure(calls: int) -> dict[str, object]:
    """Microseconds an event, over the cases whose data can be read, and seconds of loading."""
    loads = []
    for _ in range(ROUNDS):
        started = cpu_seconds()
        catalogue = load_catalogue()
        loads.append(cpu_seconds() - started)
    costs = sorted(_cost_us(call, calls) for call in _calls(catalogue))
    return {
        "assess_us_median": round(statistics.median(costs), 2),
        "assess_us_p90": round(costs[len(costs) * 9 // 10], 2),
        "assess_us_max": round(costs[-1], 2),
        "cases": len(costs),
        "activities": len(catalogue.activities),
        "register_rows": len(catalogue.register.rows),
        "load_s": round(min(loads), 3),
    }


def _calls(catalogue: Catalogue) -> Iterator[Callable[[], object]]:
    for edition in catalogue.editions():
        cases = catalogue.cases(edition.id, edition.version)
        for case in cases if edition.status == "published" else ():
            if case.invalid is None:
                yield partial(
                    catalogue.assess,
                    edition.activity,
                    region=case.region,
                    day=case.day,
                    level=case.level,
                    data=case.data,
                )


def _cost_us(call: Callable[[], object], calls: int) -> float:
    """Processor time of the best of some rounds: what else runs makes the others longer."""
    call()  # the version is resolved once, for all events of a region and day
    rounds = []
    for _ in range(ROUNDS):
        started = cpu_seconds()
        for _ in range(calls):
            call()
        rounds.append((cpu_seconds() - started) / calls * 1e6)
    return min(rounds)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="What a sum costs.")
    parser.add_argument("--calls", type=int, default=500, help="calls a case and round")
    sys.stdout.write(orjson.dumps(measure(parser.parse_args().calls)).decode() + "\n")


if __name__ == "__main__":
    main()
