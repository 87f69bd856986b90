"""Reads dashboards with Grafana's own types and writes them again; prints each member that is lost or changed.

A member that the SDK does not know is one that Grafana does not know: it would be ignored there.
"""

import json
import sys

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard


def lost(before, after, place=""):
    """Where `after` lacks something that `before` has. What it has besides are defaults."""
    if isinstance(before, dict) and isinstance(after, dict):
        for name, value in before.items():
            if name in after:
                yield from lost(value, after[name], f"{place}.{name}")
            else:
                yield f"{place}.{name} is lost"
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for number, (one, other) in enumerate(zip(before, after)):
            yield from lost(one, other, f"{place}[{number}]")
    elif before != after:
        yield f"{place} was {before!r} and is {after!r}"


def main():
    register_default_plugins()
    for path in sys.argv[1:]:
        with open(path, encoding="utf-8") as file:
            before = json.load(file)
        after = json.loads(json.dumps(Dashboard.from_json(before), cls=JSONEncoder))
        for what in lost(before, after):
            print(f"{path}: {what}")


main()
