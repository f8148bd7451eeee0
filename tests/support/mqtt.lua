-- SPDX-License-Identifier: Apache-2.0
--
-- mosquitto with a user, TLS and TLS that asks who we are; and servers that are no good
-- brokers.
--
--     local broker = brokers.start(scratch)
--     mqtt.connect(broker.host, broker.port, brokers.LOGIN)

local job = require("jflash.job")
local net = require("jflash.net")
local sys = require("jflash.sys")

local M = {}

local START_S = 20

--- The user of the listeners `port` and `tls_port`.
M.LOGIN = { username = "ann", password = "open sesame" }

local CONF = [[
allow_anonymous false
password_file DIR/passwords
listener PORT HOST
listener TLS HOST
cafile DIR/ca.pem
certfile DIR/server.pem
keyfile DIR/server.key
listener STRICT HOST
cafile DIR/ca.pem
certfile DIR/server.pem
keyfile DIR/server.key
require_certificate true
use_identity_as_username true
]]

-- An authority with certificates for the broker and a client, and another authority.
local MAKE_KEYS = [[
key='-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes'
for name in ca other; do
    openssl req -x509 $key -keyout $name.key -out $name.pem -days 2 -subj "/CN=authority $name" || exit
done
echo 'subjectAltName=IP:%s' >san
for name in server client; do
    openssl req $key -keyout $name.key -out $name.csr -subj "/CN=$name" &&
        openssl x509 -req -in $name.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile san \
            -out $name.pem || exit
done
touch passwords && mosquitto_passwd -b passwords ann 'open sesame' && chmod 644 passwords *.key && chmod 755 .]]

local function await(what, ready)
    local deadline = job.now() + START_S
    while not ready() do
        assert(job.now() < deadline, what)
        job.sleep(0.01)
    end
end

--- Waits until a TCP connection to `port` of this host is in the state `code` of
--- /proc/net/tcp: 01 established, 02 not answered.
function M.await_connection(port, code)
    local row = (" %%x+:%04X %s "):format(port, code)
    await("nobody connects", function() return sys.read_file("/proc/net/tcp"):find(row) end)
end

---@class tests.Broker
---@field host string
---@field port integer         with a password
---@field tls_port integer     with a password; its certificate is of scratch's ca.pem
---@field strict_port integer  with a certificate of the client's
local Broker = {}
Broker.__index = Broker

---@param scratch tests.Scratch  gets the keys and the log
---@return tests.Broker
function M.start(scratch)
    local host, port = assert(net.random_loopback()), 20000 + 3 * (sys.pid() % 13000)
    scratch:sh(MAKE_KEYS:format(host))
    local values = { DIR = scratch.path, HOST = host, PORT = port, TLS = port + 1, STRICT = port + 2 }
    scratch:write("broker.conf", (CONF:gsub("%u+", values)))
    local process = assert(sys.spawn({ "mosquitto", "-c", scratch:file("broker.conf") },
        { stdout = scratch:file("log"), stderr = scratch:file("log") }))
    return setmetatable({ host = host, port = port, tls_port = port + 1, strict_port = port + 2, process = process },
        Broker)
end

function Broker:close()
    self.process:close()
end

local function serve(script)
    local out = os.tmpname()
    local process = assert(sys.spawn({ "python3", "-c", "import signal, socket\n" .. script }, { stdout = out }))
    local server = setmetatable({}, { __close = function()
        process:close()
        os.remove(out)
    end })
    await("the server does not start", function()
        server.port = math.tointeger(tonumber(sys.read_file(out):match("^(%d+)\n")))
        return server.port
    end)
    return server
end

--- A server that takes connections and says nothing, or `words` to each and hangs up.
---@param host string
---@param words string|nil  as a Python string has them
---@return {port: integer}  to be closed
function M.listen(host, words)
    return serve(([[
s = socket.create_server((%q, 0))
print(s.getsockname()[1], flush=True)
held = []
while True:
    c = s.accept()[0]
    if %s:
        c.recv(1000)
        c.sendall(b'%s')
        c.close()
    else:
        held.append(c)
]]):format(host, words and "True" or "False", words or ""))
end

--- A server whose queue is full, so that nobody answers.
---@param host string
---@return {port: integer}  to be closed
function M.black_hole(host)
    return serve(([[
s = socket.create_server((%q, 0), backlog=0)
c = socket.create_connection(s.getsockname())
print(s.getsockname()[1], flush=True)
signal.pause()
]]):format(host))
end

return M
