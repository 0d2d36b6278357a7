// A client in JavaScript (amqplib): a copy of the register that proves itself, a command and its reply, and events.
//
//     npm install && DOMESDAY_BROKER_URL=amqp://localhost node client.mjs
import { createHash, randomUUID } from 'node:crypto';
import amqp from 'amqplib';

const namespace = process.env.DOMESDAY_NAMESPACE ?? 'domesday';
const patienceMs = 60_000;
const replyTo = 'amq.rabbitmq.reply-to';

class Register {
  held = new Map(); // `type NUL id` -> { revision, document, members }
  cursor = null;
  inbox = []; // messages that have come
  waiting = new Map(); // who waits for a reply, by correlation id
  wake = () => {};

  async connect(url) {
    this.userId = decodeURIComponent(new URL(url).username) || 'guest';
    this.connection = await amqp.connect(url);
    this.channel = await this.connection.createConfirmChannel();
    // Replies come straight to this channel; they know no acknowledgements.
    await this.channel.consume(replyTo, ({ properties, content }) => {
      this.waiting.get(properties.correlationId)?.(JSON.parse(content));
      this.waiting.delete(properties.correlationId);
    }, { noAck: true });
    // Bound before anything is asked, so that nothing falls through in between.
    ({ queue: this.queue } = await this.channel.assertQueue('', { exclusive: true }));
    await this.channel.bindQueue(this.queue, `${namespace}.events`, '#');
    await this.channel.prefetch(256);
    await this.channel.consume(this.queue, (message) => {
      if (message === null) throw new Error('the queue is gone');
      this.inbox.push({ kind: message.properties.type, body: JSON.parse(message.content) });
      this.channel.ack(message);
      this.wake();
    });
  }

  send(exchange, kind, body, back, messageId) {
    const persistent = exchange === 'commands';
    // The broker checks who we are, and rules about who may do what go by it.
    const { userId } = this;
    const properties = { type: kind, messageId, replyTo: back, userId, contentType: 'application/json', persistent };
    this.channel.publish(`${namespace}.${exchange}`, kind, Buffer.from(JSON.stringify(body)), properties);
    return this.channel.waitForConfirms();
  }
  async command(kind, args) {
    const id = randomUUID(); // sent again with the same id, a command is not executed twice
    const reply = new Promise((resolve) => this.waiting.set(id, resolve));
    await this.send('commands', kind, { args }, replyTo, id);
    return patiently(reply);
  }

  async next() {
    while (this.inbox.length === 0) {
      await patiently(new Promise((resolve) => { this.wake = resolve; }));
    }
    return this.inbox.shift();
  }
  digest() {
    let sum = 0n;
    for (const [key, { revision }] of this.held) {
      sum += BigInt(`0x${createHash('sha256').update(`${key}\0${revision}`).digest('hex')}`);
    }
    return (sum % 2n ** 256n).toString(16).padStart(64, '0');
  }

  prove(digest) {
    if (this.digest() !== digest) throw new Error('the copy is not the register');
  }
  async sync() {
    const args = this.cursor ? { cursor: this.cursor } : {};
    await this.send('questions', 'sync', { args }, this.queue, randomUUID());
    const [back, seen] = [[], new Set()];
    let begin;
    for (;;) {
      const { kind, body } = await this.next();
      if (kind === 'reply') throw new Error(body.problem.detail); // `unavailable`: ask again in a few seconds
      if (kind === 'sync.begin') {
        begin = body;
      } else if (kind === 'sync.end') {
        if (begin.verdict !== 'ok') {
          for (const key of this.held.keys()) if (!seen.has(key)) this.held.delete(key);
        }
        this.cursor = { cluster: body.cluster, epoch: body.epoch, sequence: body.sequence };
        this.prove(body.digest);
        break;
      } else if (kind === 'environment.members.state') {
        const { members } = this.held.get(`environment\0${body.id}`);
        for (const id of body.data.resources) members.add(id);
      } else if (kind.endsWith('.state')) {
        const key = `${kind.split('.')[0]}\0${body.id}`;
        seen.add(key);
        this.held.set(key, { revision: body.revision, document: body.data, members: new Set() });
      } else if ('revision' in body) {
        // A missed event of ours, or a live one, which has to wait: a state must not overwrite it.
        if (begin?.verdict === 'ok' && body.sequence <= begin.sequence) await this.event(body);
        else back.push(body);
      }
    }
    for (const event of back) await this.event(event);
  }

  async event(event) {
    const here = event.epoch === this.cursor.epoch;
    if (here && event.sequence <= this.cursor.sequence) return; // delivered again
    if (!here || event.sequence > this.cursor.sequence + 1) return this.sync(); // something was missed
    const [entity, verb] = event.type.split('.');
    const key = `${entity}\0${event.id}`;
    const one = this.held.get(key) ?? { members: new Set() };
    one.revision = event.revision;
    if (verb === 'linked') for (const id of event.data.resources) one.members.add(id);
    else if (verb === 'unlinked') for (const id of event.data.resources) one.members.delete(id);
    else one.document = event.data;
    if (verb === 'removed') this.held.delete(key);
    else this.held.set(key, one);
    this.cursor.sequence = event.sequence;
  }
}

function patiently(promise) {
  let timer;
  const limit = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error('nothing came')), patienceMs);
  });
  return Promise.race([promise, limit]).finally(() => clearTimeout(timer));
}

const register = new Register();
await register.connect(process.env.DOMESDAY_BROKER_URL ?? 'amqp://localhost');
await register.sync();
console.log(`copy proved: ${register.held.size} entities at sequence ${register.cursor.sequence}`);
const put = { id: 'example-node', kind: 'example', description: randomUUID() };
console.log(`reply: ${(await register.command('resource.put', put)).outcome}`);
const reply = await register.command('resource.remove', { id: put.id });
console.log(`reply: ${reply.outcome}`);
for (let proved = false; !proved;) {
  const { kind, body } = await register.next();
  if (kind === 'bookmark') {
    // A bookmark beyond us means that something was missed; one behind us says nothing.
    if (body.sequence > register.cursor.sequence) await register.sync();
    else if (body.sequence === register.cursor.sequence && body.sequence >= reply.sequence) {
      register.prove(body.digest);
      proved = true;
    }
  } else if ('revision' in body) {
    await register.event(body);
    console.log(`event: ${body.type} ${body.id}`);
  }
}
console.log(`bookmark proved: ${register.held.size} entities`);
await register.connection.close();
