#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A FAKE of the web interfaces of plugs and PDUs: one relay, switched by the requests
of each device that jflash has a preset for. fake_web_plugs.py HOST LOG [PEM KEY].

The user is "ann" with the password "open sesame"; a bearer token is "the-token". What
stands first in the path chooses the faults: /fail/ answers 500, /slow/ not at all,
/stuck/ says that it switched and does not. LOG gets a line for each request that was
let in. The port is printed.
"""
import base64
import hashlib
import json
import re
import ssl
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

USER, PASSWORD, TOKEN, NONCE = "ann", "open sesame", "the-token", "0123456789abcdef"


def digest_response(method, fields):
    def h(text):
        return hashlib.sha256(text.encode()).hexdigest()

    a1, a2 = h(f"{USER}:plug:{PASSWORD}"), h(f"{method}:{fields['uri']}")
    return h(":".join([a1, NONCE, fields["nc"], fields["cnonce"], "auth", a2]))


class Plug(BaseHTTPRequestHandler):
    on = False
    session = False
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body="", **headers):
        data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def is_let_in(self, scheme):
        given = self.headers.get("Authorization", "")
        if scheme == "basic":
            wanted = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
            return given == "Basic " + wanted or self.answer(401, WWW_Authenticate='Basic realm="plug"')
        if scheme == "bearer":
            return given == "Bearer " + TOKEN or self.answer(401)
        fields = dict(re.findall(r'(\w+)="?([^",]+)"?', given))
        if given.startswith("Digest ") and fields.get("username") == USER \
                and fields["uri"] == self.path and fields["response"] == digest_response(self.command, fields):
            return True
        challenge = f'Digest realm="plug", qop="auth", algorithm=SHA-256, nonce="{NONCE}"'
        return self.answer(401, WWW_Authenticate=challenge)

    def switch(self, on, stuck):
        if not stuck:
            Plug.on = on

    def device(self, path, query, body, stuck):
        """Scheme of the login, and what is answered: a dict, a text, or None for 404."""
        if path.startswith("/relay/"):
            if "turn" in query:
                return "basic", lambda: self.switch(query["turn"] == "on", stuck) or {"ison": Plug.on}
            return "basic", lambda: {"ison": Plug.on}
        if path == "/status":
            return "basic", lambda: {"meters": [{"power": 1.5}, {"power": 4.25}]}
        if path == "/rpc/Switch.Set":
            return "digest", lambda: self.switch(query["on"] == "true", stuck) or {"was_on": True}
        if path == "/rpc/Switch.GetStatus":
            return "digest", lambda: {"output": Plug.on, "voltage": 229.5, "current": 0.5, "apower": 114}
        if path == "/login.html" or (path == "/" and body.startswith("cte2=")):
            return None, lambda: self.energenie(path, body)
        if path == "/cm":
            return None, lambda: self.tasmota(query, stuck)
        if path == "/netio.json":
            if body:
                return "basic", lambda: self.switch(json.loads(body)["Outputs"][0]["Action"] == 1, stuck) or {}
            outputs = [{"ID": 1, "State": 0}, {"ID": 2, "State": int(Plug.on), "Current": 250, "Load": 57}]
            return "basic", lambda: {"GlobalMeasure": {"Voltage": 230.0}, "Outputs": outputs}
        found = re.match(r"^/switch/bench(?:/turn_(on|off))?$", path)
        if found:
            if found[1] and self.command == "POST":
                return "digest", lambda: self.switch(found[1] == "on", stuck) or ""
            return "digest", lambda: {"id": "switch-bench", "state": "ON" if Plug.on else "OFF", "value": Plug.on}
        found = re.match(r"^/api/(?:services/homeassistant/turn_(on|off)|states/switch.bench)$", path)
        if found:
            if found[1] and json.loads(body) == {"entity_id": "switch.bench"}:
                return "bearer", lambda: self.switch(found[1] == "on", stuck) or []
            return "bearer", lambda: {"entity_id": "switch.bench", "state": "on" if Plug.on else "off"}
        found = re.match(r"^/power/control/(on|off)$", path)
        if found and query == {"hostname": "pdu-1", "port": "3"}:
            return None, lambda: self.switch(found[1] == "on", stuck) or "OK - accepted request"
        if path == "/redfish/v1/Systems/blade/Actions/ComputerSystem.Reset":
            kind = json.loads(body)["ResetType"]
            return "basic", lambda: self.switch({"On": True, "ForceOff": False}[kind], stuck) or {}
        if path == "/redfish/v1/Systems/blade":
            return "basic", lambda: {"PowerState": "On" if Plug.on else "Off"}
        if path == "/redfish/v1/Chassis/blade/Power":
            return "basic", lambda: {"PowerControl": [{"PowerConsumedWatts": 211}]}
        return None, None

    def energenie(self, path, body):
        """One person at a time: who logs in keeps others out until they log out."""
        if path == "/login.html" and body:
            if Plug.session:
                return "<html>Somebody else is in session</html>"
            Plug.session = parse_qs(body)["pw"] == [PASSWORD]
            states = f"var sockstates = [0,{int(Plug.on)},0,0];"
            return f"<script>{states}</script>" if Plug.session else "<html>Enter password</html>"
        if path == "/login.html":
            Plug.session = False
        elif Plug.session and body:
            Plug.on = parse_qs(body)["cte2"] == ["1"]
        return "<html></html>"

    def tasmota(self, query, stuck):
        if (query.get("user"), query.get("password")) != (USER, PASSWORD):
            return {"WARNING": "Need user=<username>&password=<password>"}
        words = query["cmnd"].split()
        if words[0] == "Status":
            return {"StatusSNS": {"ENERGY": {"Voltage": 231, "Current": 0.1, "Power": 23}}}
        if len(words) > 1:
            self.switch(words[1] == "On", stuck)
        return {"POWER": "ON" if Plug.on else "OFF"}

    def handle_request(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        parts = urlsplit(self.path)
        path, fault = unquote(parts.path), None
        found = re.match(r"^/(fail|slow|stuck)(/.*)$", path)
        if found:
            fault, path = found.groups()
        query = {key: value[0] for key, value in parse_qs(parts.query).items()}
        with open(sys.argv[2], "a", encoding="utf-8") as log:
            if fault == "fail":
                log.write(f"{fault} {path}\n")
                log.flush()
                return self.answer(500)
            if fault == "slow":
                time.sleep(30)
                return None
            try:
                scheme, act = self.device(path, query, body, fault == "stuck")
            except (ValueError, KeyError):
                return self.answer(400)
            if not act:
                return self.answer(404)
            if scheme and not self.is_let_in(scheme):
                return None
            log.write(f"{self.command} {path}\n")
            log.flush()
            return self.answer(200, act())

    do_GET = do_POST = handle_request


def main():
    server = ThreadingHTTPServer((sys.argv[1], 0), Plug)
    server.daemon_threads = True
    if len(sys.argv) > 3:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[3], sys.argv[4])
        server.socket = context.wrap_socket(server.socket, server_side=True)
    print(server.server_address[1], flush=True)
    server.serve_forever()


main()
