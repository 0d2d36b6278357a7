"""A client in Python (pika): a copy of the register that proves itself, a command and its reply, and events.

    pip install pika && DOMESDAY_BROKER_URL=amqp://localhost python client.py
"""

import hashlib
import json
import os
import time
import uuid

import pika

NAMESPACE = os.environ.get("DOMESDAY_NAMESPACE", "domesday")
PATIENCE_S = 60
REPLIES = "amq.rabbitmq.reply-to"


class Register:
    def __init__(self, url):
        self.held = {}  # (type, id) -> {"revision", "document", "members"}
        self.cursor = None
        self.inbox = []  # messages that have come: (type, body)
        self.replies = {}
        parameters = pika.URLParameters(url)
        self.user = parameters.credentials.username
        self.connection = pika.BlockingConnection(parameters)
        self.channel = self.connection.channel()
        self.channel.confirm_delivery()
        # Replies come straight to this channel; they know no acknowledgements.
        self.channel.basic_consume(REPLIES, self._reply, auto_ack=True)
        # Bound before anything is asked, so that nothing falls through in between.
        self.queue = self.channel.queue_declare("", exclusive=True).method.queue
        self.channel.queue_bind(self.queue, f"{NAMESPACE}.events", "#")
        self.channel.basic_qos(prefetch_count=256)
        self.channel.basic_consume(self.queue, self._message)

    def _reply(self, _channel, _method, properties, body):
        self.replies[properties.correlation_id] = json.loads(body)

    def _message(self, channel, method, properties, body):
        self.inbox.append((properties.type, json.loads(body)))
        channel.basic_ack(method.delivery_tag)

    def _send(self, exchange, kind, body, reply_to):
        message_id = str(uuid.uuid4())  # sent again with the same id, a command is not executed twice
        self.channel.basic_publish(
            f"{NAMESPACE}.{exchange}", kind, json.dumps(body), mandatory=True,
            properties=pika.BasicProperties(
                type=kind, message_id=message_id, reply_to=reply_to,
                user_id=self.user,  # the broker checks it, and rules about who may do what go by it
                content_type="application/json", delivery_mode=2 if exchange == "commands" else 1))
        return message_id

    def _wait(self, ready):
        deadline = time.monotonic() + PATIENCE_S
        while not ready():
            if time.monotonic() > deadline:
                raise TimeoutError("nothing came")
            self.connection.process_data_events(time_limit=1)

    def command(self, kind, args):
        message_id = self._send("commands", kind, {"args": args}, REPLIES)
        self._wait(lambda: message_id in self.replies)
        return self.replies.pop(message_id)

    def next(self):
        self._wait(lambda: self.inbox)
        return self.inbox.pop(0)

    def digest(self):
        hashes = (hashlib.sha256(f"{kind}\0{id}\0{one['revision']}".encode()).digest()
                  for (kind, id), one in self.held.items())
        return "%064x" % (sum(int.from_bytes(each, "big") for each in hashes) % 2**256)

    def prove(self, digest):
        if self.digest() != digest:
            raise ValueError("the copy is not the register")

    def sync(self):
        self._send("questions", "sync", {"args": {"cursor": self.cursor} if self.cursor else {}}, self.queue)
        back, seen, begin = [], set(), None
        while True:
            kind, body = self.next()
            if kind == "reply":
                raise RuntimeError(body["problem"]["detail"])  # `unavailable`: ask again in a few seconds
            if kind == "sync.begin":
                begin = body
            elif kind == "sync.end":
                break
            elif kind == "environment.members.state":
                self.held["environment", body["id"]]["members"].update(body["data"]["resources"])
            elif kind.endswith(".state"):
                key = kind.split(".")[0], body["id"]
                seen.add(key)
                self.held[key] = {"revision": body["revision"], "document": body["data"], "members": set()}
            elif "revision" in body:
                # A missed event of ours, or a live one, which has to wait: a state must not overwrite it.
                missed = begin and begin["verdict"] == "ok" and body["sequence"] <= begin["sequence"]
                (self.event if missed else back.append)(body)
        if begin["verdict"] != "ok":
            self.held = {key: one for key, one in self.held.items() if key in seen}
        self.cursor = {name: body[name] for name in ("cluster", "epoch", "sequence")}
        self.prove(body["digest"])
        for event in back:
            self.event(event)

    def event(self, event):
        step = event["sequence"] - self.cursor["sequence"]
        if event["epoch"] == self.cursor["epoch"] and step <= 0:
            return  # delivered again
        if event["epoch"] != self.cursor["epoch"] or step > 1:
            return self.sync()  # something was missed
        entity, verb = event["type"].split(".")
        key, data = (entity, event["id"]), event["data"]
        one = self.held.setdefault(key, {"members": set()})
        one["revision"] = event["revision"]
        if verb == "removed":
            del self.held[key]
        elif verb == "linked":
            one["members"].update(data["resources"])
        elif verb == "unlinked":
            one["members"].difference_update(data["resources"])
        elif verb in ("created", "updated", "restored"):
            one["document"] = data
        self.cursor["sequence"] = event["sequence"]


def main():
    register = Register(os.environ.get("DOMESDAY_BROKER_URL", "amqp://localhost"))
    register.sync()
    print(f"copy proved: {len(register.held)} entities at sequence {register.cursor['sequence']}")
    put = {"id": "example-python", "kind": "example", "description": str(uuid.uuid4())}
    for kind, args in (("resource.put", put), ("resource.remove", {"id": "example-python"})):
        reply = register.command(kind, args)
        print(f"reply: {reply['outcome']}")
    while True:
        kind, body = register.next()
        if kind == "bookmark":
            # A bookmark beyond us means that something was missed; one behind us says nothing.
            if body["sequence"] > register.cursor["sequence"]:
                register.sync()
            elif body["sequence"] == register.cursor["sequence"] >= reply["sequence"]:
                register.prove(body["digest"])
                return print(f"bookmark proved: {len(register.held)} entities")
        elif "revision" in body:
            register.event(body)
            print(f"event: {body['type']} {body['id']}")


if __name__ == "__main__":
    main()
