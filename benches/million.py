"""Prints a synthetic manifest, a line for each document: resources that depend on five before them, most of them on few.

    python benches/million.py [RESOURCES]

The same number gives the same documents. A million resources (the default) have 5 million dependencies, and are in a
thousand environments, each of which holds a thousand resources that follow one another.
"""

import json
import random
import sys

KINDS = ("vm", "service", "database", "queue", "bucket", "volume", "network", "certificate")
WORDS = ("billing", "payments", "orders", "search", "images", "audit", "metrics", "mail", "login", "stock")
IN_ONE = 1_000


def resource(chance, number):
    # The square makes the first ones needed by very many, as libraries and networks are.
    needed = {int(number * chance.random() ** 2) for _ in range(5)} if number else set()
    word = WORDS[number % len(WORDS)]
    return {
        "type": "resource",
        "id": f"r-{number:07}",
        "kind": KINDS[number % len(KINDS)],
        "name": f"{word} {number}",
        "description": f"part {number} of {word}, made for a measurement",
        "tags": {"team": WORDS[number // IN_ONE % len(WORDS)]},
        "dependencies": [{"resource": f"r-{one:07}"} for one in sorted(needed)],
    }


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    chance = random.Random(1)
    for number in range(count):
        print(json.dumps(resource(chance, number), separators=(",", ":")))
    for number, first in enumerate(range(0, count, IN_ONE)):
        members = [f"r-{one:07}" for one in range(first, min(first + IN_ONE, count))]
        environment = {"type": "environment", "id": f"e-{number:04}", "name": f"environment {number}", "resources": members}
        print(json.dumps(environment, separators=(",", ":")))


if __name__ == "__main__":
    main()
