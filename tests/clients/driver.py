"""The line protocol of driver.mjs for clients of kind `pycrdt`, with pycrdt's provider over a WebSocket of httpx-ws.

That provider syncs the document of one connection and nothing else: it neither reconnects nor knows of presence. As an
application would, this driver exchanges presence with pycrdt's own Awareness over the same channel, and connects again
when it is told to.
"""

import asyncio
import json
import os
import sys
from base64 import b64decode, b64encode
from urllib.parse import urlencode

from httpx import AsyncClient
from httpx_ws import WebSocketDisconnect, aconnect_ws
from pycrdt import (
    Array,
    Awareness,
    Doc,
    Map,
    Provider,
    Text,
    XmlFragment,
    YMessageType,
    create_awareness_message,
    read_message,
)
from pycrdt.websocket.websocket import HttpxWebsocket

DEFAULT_TIMEOUT_MS = 10_000
# A long document is cut where an error tells of it.
TOLD_CHARACTERS = 2000
# Whole numbers beyond this have no exact floating-point value, and JavaScript spells them otherwise.
WHOLE_UP_TO = 1e21
# Of a line of standard input, which may hold a whole document.
LINE_BYTES_MAX = 1 << 30


def compact(value):
    return json.dumps(value, separators=(",", ":"))


def say(line):
    print(compact(line), flush=True)


def plain(value):
    """Whole numbers as such: pycrdt hands out every number as a float."""
    if isinstance(value, dict):
        return {key: plain(member) for key, member in value.items()}
    if isinstance(value, list):
        return [plain(member) for member in value]
    if isinstance(value, float) and value.is_integer() and abs(value) < WHOLE_UP_TO:
        return int(value)
    return value


def canonical(value):
    return json.dumps(plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def shared(value):
    """Nested shared types instead of plain JSON; `{"$text":"…"}` is a text."""
    if isinstance(value, dict) and "$text" in value:
        return Text(value["$text"])
    if isinstance(value, dict):
        return Map({key: shared(member) for key, member in value.items()})
    return Array([shared(member) for member in value]) if isinstance(value, list) else value


def flat(group):
    """The errors of nested exception groups."""
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from flat(error)
        else:
            yield error


FIELDS = {"text": Text, "map": Map, "list": Array}
# Which field an operation is for, as in document.mjs.
FIELD_OF = {"insert": "text", "delete": "text", "set": "map", "unset": "map", "push": "list", "pull": "list"}


def inside(found, token):
    if isinstance(found, Map) and isinstance(token, str):
        return found.get(token)
    if isinstance(found, Array) and isinstance(token, int) and token < len(found):
        return found[token]
    return None


def offset(text, position):
    """Of a position in code points; pycrdt counts the bytes of UTF-8."""
    return len(str(text)[:position].encode())


def insert(text, edit):
    text.insert(offset(text, edit["at"]), edit["value"])


def delete_(text, edit):
    start, end = offset(text, edit["at"]), offset(text, edit["at"] + edit["count"])
    del text[start:end]


def set_(values, edit):
    values[edit["key"]] = shared(edit["value"]) if edit.get("shared") else edit["value"]


def unset(values, edit):
    values.pop(edit["key"], None)


def push(values, edit):
    start = min(edit["at"], len(values))
    for index, value in enumerate(edit["values"]):
        values.insert(start + index, shared(value) if edit.get("shared") else value)


def pull(values, edit):
    start = min(edit["at"], len(values))
    del values[start : min(start + edit["count"], len(values))]


OPERATIONS = {"insert": insert, "delete": delete_, "set": set_, "unset": unset, "push": push, "pull": pull}


class Channel(HttpxWebsocket):
    """The library's channel, which keeps what is not for its provider: presence, and how the connection ended."""

    def __init__(self, websocket, path, client):
        super().__init__(websocket, path)
        self._client = client
        self.ended = asyncio.Event()

    async def recv(self):
        try:
            while True:
                message = await super().recv()
                if message[0] != YMessageType.AWARENESS:
                    return message
                self._client.awareness.apply_awareness_update(read_message(message[1:]), "remote")
        except WebSocketDisconnect as close:
            self._client.note_close(close.code, close.reason)
            raise
        except Exception:
            self._client.note_close(1006, "")
            raise
        finally:
            self._client.changed()

    async def __anext__(self):
        try:
            return await super().__anext__()
        except StopAsyncIteration:
            self.ended.set()
            raise


class Client:
    def __init__(self, url, doc, token=None, params=None, presence=..., **_):
        query = {**(params or {}), **({} if token is None else {"token": token})}
        self.path = doc
        self.url = f"{url.rstrip('/')}/{doc}" + (f"?{urlencode(query)}" if query else "")
        self.doc = Doc()
        self.awareness = Awareness(self.doc)
        self.closes, self.events, self.watchers = [], [], []
        self.sending = set()
        self.connected = self.synced = False
        self.channel = self.connection = self.leaving = None
        if presence is not ...:
            self.awareness.set_local_state(presence)
        self.doc.observe(lambda _event: self.changed())
        self.awareness.observe(self.on_awareness)
        self.renewal = asyncio.create_task(self.awareness.start())
        self.connect()

    # The connection

    async def run(self):
        try:
            async with AsyncClient() as http, aconnect_ws(self.url, http) as socket:
                await self.serve(Channel(socket, self.path, self))
        except BaseExceptionGroup as group:
            self.note("connection-error", error="; ".join(repr(error) for error in flat(group)))
        except Exception as error:
            self.note("connection-error", error=repr(error))
        finally:
            self.gone()

    async def serve(self, channel):
        """Until the connection ends or the client leaves; leaving the provider in order sends what is still queued."""
        async with Provider(self.doc, channel) as provider:
            self.channel, self.connected = channel, True
            self.note("status", status="connected")
            # Renewed, since others who saw this client leave take its state only with a higher clock.
            if (state := self.awareness.get_local_state()) is not None:
                self.awareness.set_local_state(state)
            ends = [asyncio.create_task(end.wait()) for end in (channel.ended, self.leaving)]
            synced = asyncio.create_task(self.when_synced(provider))
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            for task in [*ends, synced]:
                task.cancel()

    async def when_synced(self, provider):
        await provider.synced.wait()
        self.synced = True
        self.note("synced", state=True)

    def gone(self):
        self.channel, self.connected, self.synced = None, False, False
        others = [id for id in self.awareness.states if id != self.awareness.client_id]
        self.awareness.remove_awareness_states(others, "remote")
        self.note("status", status="disconnected")

    def connect(self, **_):
        if self.connection is None or self.connection.done():
            self.leaving = asyncio.Event()
            self.connection = asyncio.create_task(self.run())
        return {}

    async def disconnect(self, **_):
        self.leaving.set()
        await self.connection
        return {}

    async def close(self, **_):
        await self.disconnect()
        self.renewal.cancel()
        for watcher in list(self.watchers):
            self.give_up(watcher, "the client was closed")
        return {}

    # What tests look at

    def note(self, event, **details):
        noted = {"event": event, **details}
        self.events.append(noted)
        for watcher in self.watchers:
            watcher["seen"] = watcher["seen"] or is_event(noted, watcher["until"].get("event"))
        self.changed()

    def note_close(self, code, reason):
        self.closes.append({"code": code, "reason": reason})
        self.note("close", code=code, reason=reason)

    def changed(self):
        for watcher in list(self.watchers):
            asyncio.get_running_loop().call_soon(self.look, watcher)

    def holds(self, name, wanted, watcher):
        if name == "json":
            return self.read()["json"] == wanted
        if name == "map":
            return is_event(plain(self.map()), wanted)
        if name == "whole":
            return self.whole(wanted["roots"])["json"] == wanted["json"]
        if name == "length":
            return len(self.text()) == wanted
        if name == "present":
            return any(other["state"] == wanted for other in self.presences()["others"])
        if name == "others":
            return len(self.presences()["others"]) == wanted
        if name == "event":
            return watcher["seen"]
        return {"synced": self.synced, "connected": self.connected, "ready": True}[name] == wanted

    def look(self, watcher):
        done = watcher["done"]
        if not done.done() and all(self.holds(*condition, watcher) for condition in watcher["until"].items()):
            done.set_result({})

    def give_up(self, watcher, why):
        if not watcher["done"].done():
            was = {**self.described(), "events": self.events, **self.presences()}
            was["json"] = self.read()["json"][:TOLD_CHARACTERS]
            error = f"{why}: {compact(watcher['until'])}; it was {compact(was)}"
            watcher["done"].set_exception(RuntimeError(error))

    async def wait(self, until, timeout=DEFAULT_TIMEOUT_MS, **_):
        seen = "event" in until and any(is_event(event, until["event"]) for event in self.events)
        loop = asyncio.get_running_loop()
        watcher = {"until": until, "seen": seen, "done": loop.create_future()}
        self.watchers.append(watcher)
        timer = loop.call_later(timeout / 1000, self.give_up, watcher, f"not within {timeout} ms")
        try:
            self.look(watcher)
            return await watcher["done"]
        finally:
            timer.cancel()
            self.watchers.remove(watcher)

    def described(self):
        nothing = dict.fromkeys(["unsynced", "scope", "peers", "docState"])
        return {"connected": self.connected, "synced": self.synced, **nothing, "closes": self.closes}

    def status(self, **_):
        told, self.events = self.events, []
        return {**self.described(), "events": told}

    # Presence

    def on_awareness(self, topic, event):
        changes, origin = event
        if topic == "update" and origin != "remote" and self.channel is not None:
            clients = changes["added"] + changes["updated"] + changes["removed"]
            message = create_awareness_message(self.awareness.encode_awareness_update(clients))
            keep(self.sending, self.send(self.channel, message))
        self.changed()

    async def send(self, channel, message):
        try:
            await channel.send(message)
        except Exception as error:
            self.note("send-error", error=repr(error))

    def presence(self, state, **_):
        self.awareness.set_local_state(state)
        return {}

    def presences(self, **_):
        me, states = self.awareness.client_id, self.awareness.states.items()
        others = [{"client": str(id), "state": state} for id, state in states if id != me and state]
        return {"others": sorted(others, key=lambda other: other["client"])}

    # The document

    def root(self, name, kind):
        return self.doc.get(name, type=kind)

    def text(self):
        return str(self.root("text", Text))

    def map(self):
        return self.root("map", Map).to_py()

    def edit(self, edits, **_):
        with self.doc.transaction():
            for edit in edits:
                self.perform(edit)
        return {}

    def find(self, path, kind):
        """What an edit applies to: a field, or a shared type in one; None where there is no such type."""
        found = self.root(path[0], FIELDS[path[0]])
        for token in path[1:]:
            found = inside(found, token)
        return found if isinstance(found, kind) else None

    def perform(self, edit):
        field = FIELD_OF[edit["op"]]
        target = self.find(edit.get("in", [field]), FIELDS[field])
        if target is not None:
            OPERATIONS[edit["op"]](target, edit)

    def read(self, **_):
        fields = {"list": self.root("list", Array).to_py(), "map": self.map()}
        return {"json": canonical({**fields, "text": self.text()})}

    def load(self, update, **_):
        self.doc.apply_update(b64decode(update))
        return {}

    def state(self, **_):
        parts = {"state": self.doc.get_update(), "vector": self.doc.get_state()}
        return {name: b64encode(part).decode() for name, part in parts.items()}

    def whole(self, roots, **_):
        kinds = {"text": Text, "map": Map, "array": Array, "xml": XmlFragment}
        types = {name: self.root(name, kinds[kind]) for name, kind in roots.items()}
        return {"json": canonical({n: str(t) if isinstance(t, XmlFragment) else t.to_py() for n, t in types.items()})}


def is_event(event, wanted):
    wanted = {"event": wanted} if isinstance(wanted, str) else wanted or {}
    return all(event.get(key) == value for key, value in wanted.items())


def keep(tasks, coroutine):
    """Starts a task; the event loop itself does not keep it from being collected."""
    task = asyncio.create_task(coroutine)
    tasks.add(task)
    task.add_done_callback(tasks.discard)


REQUESTS = "edit read load state whole status disconnect connect presence presences wait close".split()
clients = {}


async def answer(request):
    what, name = request.pop("do"), request.pop("client")
    if what == "open":
        if name in clients:
            raise KeyError(f"{name} is open already")
        clients[name] = Client(**request)
        return {}
    if name not in clients or what not in REQUESTS:
        raise KeyError(f"no such client or request: {name}, {what}")
    client = clients.pop(name) if what == "close" else clients[name]
    done = getattr(client, what)(**request)
    return await done if asyncio.iscoroutine(done) else done


async def serve(line):
    id = None
    try:
        request = json.loads(line)
        id = request.pop("id")
        say({"id": id, "ok": True, **await answer(request)})
    except Exception as error:
        say({"id": id, "ok": False, "error": str(error) or repr(error)})


def report(_loop, context):
    say({"event": "error", "error": f"{context['message']}: {context.get('exception')!r}"})


async def main():
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(report)
    lines = asyncio.StreamReader(limit=LINE_BYTES_MAX)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    serving = set()
    while line := await lines.readline():
        keep(serving, serve(line))
    # At once, as a process that is killed: whoever wants a client to leave in order closes it first.
    os._exit(0)


asyncio.run(main())
