"""Measures how fast a Python consumer takes a sync of a register, and what limits it.

    DOMESDAY_BROKER_URL=... python benches/sync.py [RUNS]

Readers take the same sync in turns, RUNS times each (5): one that only acknowledges, one that also parses the JSON,
and the example client, which keeps a copy and proves it. The first two also take the same messages out of a queue
that was filled before, where there is no server to wait for. Needs pika, and a register that nobody writes to.
"""

import json
import os
import runpy
import statistics
import sys
import time
import uuid
from pathlib import Path

import pika

URL = os.environ.get("DOMESDAY_BROKER_URL", "amqp://localhost")
NAMESPACE = os.environ.get("DOMESDAY_NAMESPACE", "domesday")
CLIENT = Path(__file__).parent.parent / "examples/clients/python/client.py"


def read_only(parse, stored=None):
    """Takes a sync, or the messages that are given; gives the seconds, those of the processor, and the messages."""
    connection = pika.BlockingConnection(pika.URLParameters(URL))
    channel = connection.channel()
    queue = channel.queue_declare("", exclusive=True).method.queue
    channel.basic_qos(prefetch_count=256)
    taken = []
    for kind, body in stored or []:
        channel.basic_publish("", queue, body, pika.BasicProperties(type=kind))
    while stored and channel.queue_declare(queue, passive=True).method.message_count < len(stored):
        connection.sleep(0.1)

    def take(channel, method, properties, body):
        taken.append((properties.type, body))
        if parse:
            json.loads(body)
        channel.basic_ack(method.delivery_tag)
        if properties.type == "sync.end":
            channel.stop_consuming()

    properties = pika.BasicProperties(
        type="sync", message_id=str(uuid.uuid4()), reply_to=queue, content_type="application/json")
    began, used = time.monotonic(), time.process_time()
    if not stored:
        channel.basic_publish(f"{NAMESPACE}.questions", "sync", b'{"args": {}}', properties)
    channel.basic_consume(queue, take)
    channel.start_consuming()
    took = time.monotonic() - began, time.process_time() - used
    connection.close()
    return took, taken


def whole_client():
    register = CLIENT_CODE["Register"](URL)
    began, used = time.monotonic(), time.process_time()
    register.sync()
    took = time.monotonic() - began, time.process_time() - used
    register.connection.close()
    return took


CLIENT_CODE = runpy.run_path(str(CLIENT), run_name="client")


def main():
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    took = {}
    for _ in range(runs):
        for name, parse in (("acknowledges", False), ("and parses", True)):
            seconds, messages = read_only(parse)
            took.setdefault(name, []).append(seconds)
            took.setdefault(f"{name}, filled queue", []).append(read_only(parse, messages)[0])
        took.setdefault("the whole client", []).append(whole_client())
    print(f"{len(messages)} messages, {sum(len(body) for _, body in messages) / 1e6:.1f} MB")
    for reader, times in took.items():
        seconds = statistics.median(wall for wall, _ in times)
        share = statistics.median(used / wall for wall, used in times)
        print(f"{reader:26} {seconds:6.2f} s {len(messages) / seconds:8.0f}/s, python busy {share:4.0%}")


if __name__ == "__main__":
    main()
