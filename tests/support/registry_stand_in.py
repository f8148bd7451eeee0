#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
#
# A stand-in for a registry and its token server, for what real ones do not do on
# request. Not a registry: it serves files, as rules say.
#
#   registry_stand_in.py HOST PORT FOLDER    prints its port
#
# FOLDER/rules.json is read for each request:
#   {"epoch": TEXT,
#    "auth": {"uses": N, "expires_in": S, "user": U, "password": P, "refresh": T,
#             "realm": URL, "deny": STATUS, "silent_after": N},
#    "rules": [{"path": "/v2/…", "file": NAME, "type": MEDIA_TYPE, …}]}
# With "auth", a path below /v2/ wants a token: the latest one, which is good for N
# requests; without "uses" any. /token gives the next one ("t1", "t2", …) to whom has
# the password or the refresh token, and after N of them falls silent.
# Another epoch forgets what has been. The first rule of a path that is not used up
# (`times`) counts:
#   file, zeros=N       the content; digest=TEXT: Docker-Content-Digest
#   status=S, headers   instead of 200
#   cut=N, hang=N       close, or fall silent, after N bytes
#   length=N            the Content-Length that is told; "none": chunked
#   ranges=false        answer a Range request with all
#   pace=S              wait before each 64 KiB
# Uploads (POST and PUT below /v2/) are taken as the rules of their paths say, and thrown away;
# HEAD finds nothing. Each request is a line of FOLDER/requests.jsonl.
import base64
import collections
import http.server
import json
import os
import sys
import threading
import time
import urllib.parse

HOST, PORT, FOLDER = sys.argv[1], int(sys.argv[2]), sys.argv[3]
PIECE = 65536
lock = threading.Lock()
used = collections.Counter()
tokens = {"number": 0, "uses": 0}
state = {"epoch": None}


def read_rules():
    with open(os.path.join(FOLDER, "rules.json")) as file:
        rules = json.load(file)
    with lock:
        if rules["epoch"] != state["epoch"]:
            state["epoch"] = rules["epoch"]
            used.clear()
            tokens.update(number=0, uses=0)
    return rules


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def note(self, body=""):
        entry = {"method": self.command, "path": self.path, "headers": dict(self.headers.items()), "body": body}
        with lock, open(os.path.join(FOLDER, "requests.jsonl"), "a") as log:
            log.write(json.dumps(entry) + "\n")

    def answer(self, status, headers, body=b""):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_HEAD(self):
        self.note()
        self.send_response(404)  # nothing was pushed yet
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_PUT(self):
        self.take_upload()

    def take_upload(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.note("%d bytes" % len(body))
        rules = read_rules()
        if rules.get("auth") and not self.has_token(rules["auth"]):
            self.answer(401, {"WWW-Authenticate": 'Bearer realm="http://%s:%d/token",service="s"' % (
                HOST, self.server.server_port)})
        else:
            self.serve(self.find_rule(rules, urllib.parse.urlsplit(self.path).path))

    def do_POST(self):
        if self.path.startswith("/v2/"):
            self.take_upload()
            return
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        self.note(body)
        auth = read_rules().get("auth", {})
        form = dict(urllib.parse.parse_qsl(body))
        good = form.get("grant_type") == "refresh_token" and form.get("refresh_token") == auth.get("refresh")
        self.give_token(auth, good)

    def do_GET(self):
        self.note()
        rules = read_rules()
        auth = rules.get("auth")
        path = urllib.parse.urlsplit(self.path).path  # whole URLs come to a proxy
        if path.startswith("/token"):
            self.give_token(auth, self.may_have_token(auth))
        elif auth and path.startswith("/v2/") and not self.has_token(auth):
            realm = auth.get("realm", "http://%s:%d/token" % (HOST, self.server.server_port))
            field = 'Bearer realm="%s",service="the-service",scope="%s"' % (realm, auth.get("scope", ""))
            self.answer(401, {"WWW-Authenticate": field})
        else:
            self.serve(self.find_rule(rules, path))

    def may_have_token(self, auth):
        if "user" not in auth:
            return True
        login = "%s:%s" % (auth["user"], auth["password"])
        return self.headers.get("Authorization") == "Basic " + base64.b64encode(login.encode()).decode()

    def give_token(self, auth, good):
        if tokens["number"] >= auth.get("silent_after", 1 << 30):
            self.rfile.read(1)  # until the client leaves
            return
        if not good or "deny" in auth:
            self.answer(auth.get("deny", 401), {})
            return
        with lock:
            tokens["number"] += 1
            tokens["uses"] = auth.get("uses", 1 << 30)
            answer = {auth.get("field", "token"): "t%d" % tokens["number"]}
        if "expires_in" in auth:
            answer["expires_in"] = auth["expires_in"]
        self.answer(200, {"Content-Type": "application/json"}, json.dumps(answer).encode())

    def has_token(self, auth):
        with lock:
            if "uses" not in auth:  # any that was given
                given = ["Bearer t%d" % number for number in range(1, tokens["number"] + 1)]
                return self.headers.get("Authorization") in given
            if self.headers.get("Authorization") != "Bearer t%d" % tokens["number"] or tokens["uses"] == 0:
                return False
            tokens["uses"] -= 1
            return True

    def find_rule(self, rules, path):
        for index, rule in enumerate(rules.get("rules", [])):
            key = "%d %s" % (index, path)
            if rule["path"] == path and used[key] < rule.get("times", 1 << 60):
                used[key] += 1
                return rule
        return {"status": 404}

    def serve(self, rule):
        if "file" not in rule and "zeros" not in rule:
            self.answer(rule.get("status", 200), rule.get("headers", {}), rule.get("body", "").encode())
            return
        content = bytes(rule.get("zeros", 0))
        if "file" in rule:
            with open(os.path.join(FOLDER, rule["file"]), "rb") as file:
                content = file.read()
        wanted = self.headers.get("Range")
        first = int(wanted[len("bytes="):].split("-")[0]) if wanted and rule.get("ranges", True) else 0
        self.send_response(rule.get("status", 206 if first else 200))
        self.send_header("Content-Type", rule.get("type", "application/octet-stream"))
        if "digest" in rule:
            self.send_header("Docker-Content-Digest", rule["digest"])
        for name, value in rule.get("headers", {}).items():
            self.send_header(name, value)
        if first:
            self.send_header("Content-Range", "bytes %d-%d/%d" % (first, len(content) - 1, len(content)))
        self.send_content(rule, content[first:])

    def send_content(self, rule, body):
        length = rule.get("length", len(body))
        if length == "none":
            self.send_header("Connection", "close")
            self.close_connection = True
        else:
            self.send_header("Content-Length", str(length))
        self.end_headers()
        end = min(rule.get("cut", len(body)), rule.get("hang", len(body)), len(body))
        for at in range(0, end, PIECE):
            time.sleep(rule.get("pace", 0))
            self.wfile.write(body[at:min(at + PIECE, end)])
        self.wfile.flush()
        if "hang" in rule:
            self.rfile.read(1)  # until the client leaves
        if end < len(body) or length != len(body):
            self.close_connection = True


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, request, address):
        pass  # clients leave in the middle


server = Server((HOST, PORT), Handler)
print(server.server_port, flush=True)
server.serve_forever()
