#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
#
# An HTTP server that misbehaves as its paths say; writes each request as a JSON line.
#
#   faulty_http.py HOST FILE LOG     prints its port
#
# FILE is what it serves, at /NAME?key=value&…, with
#   cut=N       close after N bytes of a body, each time
#   cuts=M      … the first M times only (default: always)
#   hang=N      send N bytes, then nothing more, the first `cuts` times
#   etag=TEXT   the validator ("" for none); weak=1 makes it W/"TEXT"
#   modified=TEXT  Last-Modified
#   change=K    from the Kth request on, other bytes and another validator
#   quiet=1     … with the same validator
#   ranges=no   answer 200 to a Range request
#   lie=first|total|length|more   contradict oneself in a 206 (more: in a 200)
#   status=S    fail so the first `times` times; retry=SECONDS: Retry-After
#   nolength=1  no Content-Length: the end of the connection ends it
#   empty=1     an empty body
#   to=URL      redirect there
#   pace=SECONDS  wait before each 64 KiB
#   gate=PATH   behind `hold` bytes, wait until that file is there
import collections
import http.server
import json
import os
import sys
import time
import urllib.parse

HOST, FILE, LOG = sys.argv[1:4]
CONTENT = open(FILE, "rb").read()
OTHER = bytes(b ^ 0x55 for b in CONTENT[:4096]) + CONTENT[4096:]
seen = collections.Counter()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def note(self):
        entry = {"path": self.path, "headers": dict(self.headers.items())}
        with open(LOG, "a") as log:
            log.write(json.dumps(entry) + "\n")

    def fail(self, status, query):
        self.send_response(status)
        if "retry" in query:
            self.send_header("Retry-After", query["retry"])
        self.send_header("Content-Length", "0")
        self.end_headers()

    def validators(self, query, changed):
        etag = query.get("etag", "one")
        if changed:
            etag = etag and etag + "-changed"
        if not etag:
            return None, query.get("modified")
        return ('W/"%s"' if "weak" in query else '"%s"') % etag, query.get("modified")

    def do_GET(self):
        self.note()
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))
        seen[self.path] += 1
        count = seen[self.path]
        if "to" in query:
            self.send_response(302)
            self.send_header("Location", query["to"])
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif "status" in query and count <= int(query.get("times", 1 << 30)):
            self.fail(int(query["status"]), query)
        else:
            self.answer(query, count)

    def answer(self, query, count):
        changed = "change" in query and count >= int(query["change"])
        content = b"" if "empty" in query else OTHER if changed else CONTENT
        etag, modified = self.validators(query, changed and "quiet" not in query)
        if etag and self.headers.get("If-None-Match") == etag or \
                modified and self.headers.get("If-Modified-Since") == modified:
            self.send_response(304)
            self.send_header("ETag", etag or "")
            self.end_headers()
            return
        first = self.wanted_first(query, etag, modified)
        body = content[first:]
        self.send_response(206 if first else 200)
        self.describe(query, first, len(body), len(content))
        if etag:
            self.send_header("ETag", etag)
        if modified:
            self.send_header("Last-Modified", modified)
        self.end_headers()
        self.send_body(query, count, body)

    def wanted_first(self, query, etag, modified):
        wanted = self.headers.get("Range")
        fits = self.headers.get("If-Range") in (None, etag, modified)
        if not wanted or not fits or query.get("ranges") == "no":
            return 0
        return int(wanted[len("bytes="):].split("-")[0])

    def describe(self, query, first, length, total):
        lie = query.get("lie")
        if first:
            shown = first + 1 if lie == "first" else first
            whole = total + 1 if lie == "total" else total
            self.send_header("Content-Range", "bytes %d-%d/%d" % (shown, total - 1, whole))
            length = length - 1 if lie == "length" else length
        if "nolength" in query:
            self.send_header("Connection", "close")
            self.close_connection = True
        else:
            self.send_header("Content-Length", str(length + 9 if lie == "more" else length))

    def await_gate(self, query, at):
        deadline = time.monotonic() + 60
        while "gate" in query and at >= int(query["hold"]) and not os.path.exists(query["gate"]):
            assert time.monotonic() < deadline, "the gate did not open"
            time.sleep(0.01)

    def send_body(self, query, count, body):
        faulty = count <= int(query.get("cuts", 1 << 30))
        end = min(int(query.get(key, 1 << 60)) for key in ("cut", "hang")) if faulty else len(body)
        for at in range(0, min(end, len(body)), 65536):
            time.sleep(float(query.get("pace", 0)))
            self.await_gate(query, at)
            self.wfile.write(body[at:min(at + 65536, end)])
        self.wfile.flush()
        if faulty and "hang" in query:
            self.rfile.read(1)  # until the client leaves
        if end < len(body) or query.get("lie") == "more":
            self.close_connection = True


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, address):
        pass  # clients leave in the middle


server = Server((HOST, 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
