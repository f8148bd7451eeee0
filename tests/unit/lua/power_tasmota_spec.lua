-- SPDX-License-Identifier: Apache-2.0
--
-- Power by a plug with Tasmota: a real broker (mosquitto, with passwords and TLS), and
-- a fake plug that listens there.
local errors = require("jflash.errors")
local job = require("jflash.job")
local mqtt = require("jflash.mqtt")
local net = require("jflash.net")
local powers = require("jflash.power")
local scratches = require("tests.support.scratch")
local sys = require("jflash.sys")

local BROKER = [[
allow_anonymous false
password_file %s
listener %d %s
listener %d %s
cafile %s
certfile %s
keyfile %s
]]
-- A FAKE of Tasmota: it keeps one relay, and says how it is when it is told or asked.
-- While there is a file "stuck" it says that it switched and does not; with "mute" it
-- says nothing.
local PLUG = [[
mosquitto_sub -h $HOST -p $PORT -u ann -P 'open sesame' -v -t 'cmnd/plug/#' | while read -r topic word; do
    [ ! -e mute ] || continue
    case "$topic $word" in
    *"STATUS 8") say=STATUS8 answer='{"StatusSNS":{"ENERGY":{"Voltage":230,"Current":0.2,"Power":41}}}' ;;
    *POWER*" (null)") say=${topic##*/} answer=$(cat relay) ;;
    *) say=${topic##*/} answer=$word; [ -e stuck ] || echo "$word" >relay ;;
    esac
    mosquitto_pub -h $HOST -p $PORT -u ann -P 'open sesame' -t "stat/plug/$say" -m "$answer"
done
]]

local function failure_of(action, ...)
    local ok, failure = xpcall(action, errors.wrap, ...)
    assert.is_false(ok)
    assert.not_equal("bug", failure.class, failure.message)
    return failure
end

-- A server that takes connections and says nothing, or `words` to each and hangs up.
local function listen(host, words)
    local script = ([[
import socket, sys
s = socket.create_server((%q, 0))
print(s.getsockname()[1], flush=True)
held = []
while True:
    c = s.accept()[0]
    if %s:
        c.recv(1000)
        c.sendall(b%s)
        c.close()
    else:
        held.append(c)
]]):format(host, words and "True" or "False", words and "'" .. words .. "'" or "''")
    local out = os.tmpname()
    local process = assert(sys.spawn({ "python3", "-c", script }, { stdout = out }))
    local server = setmetatable({}, { __close = function()
        process:close()
        os.remove(out)
    end })
    local deadline = job.now() + 20
    while not server.port do
        assert(job.now() < deadline, "the server does not start")
        job.sleep(0.01)
        server.port = math.tointeger(tonumber(sys.read_file(out):match("^(%d+)\n")))
    end
    return server
end

describe("power by Tasmota", function()
    local scratch, broker, plug, host, port

    local function open(more)
        local config = { type = "tasmota", host = host, port = port, topic = "plug", username = "ann",
            password = "open sesame", timeout_s = 5 }
        for key, value in pairs(more or {}) do
            config[key] = value
        end
        return powers.open(config, { name = "bench", retry_pause_s = 0, settle_s = 0 })
    end

    setup(function()
        scratch = scratches.new()
        host, port = assert(net.random_loopback()), 20000 + 2 * (sys.pid() % 20000)
        scratch:write("san", ("subjectAltName=IP:%s\n"):format(host))
        scratch:sh(([[
            key='-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes'
            openssl req -x509 $key -keyout ca.key -out ca.pem -days 2 -subj '/CN=test authority' &&
            openssl req -x509 $key -keyout other.key -out other.pem -days 2 -subj '/CN=another authority' &&
            openssl req $key -keyout server.key -out server.csr -subj '/CN=%s' &&
            openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile san \
                -out server.pem && chmod 644 *.key && chmod 755 . &&
            touch passwords && mosquitto_passwd -b passwords ann 'open sesame' && chmod 644 passwords]]):format(host))
        scratch:write("broker.conf", BROKER:format(scratch:file("passwords"), port, host, port + 1, host,
            scratch:file("ca.pem"), scratch:file("server.pem"), scratch:file("server.key")))
        scratch:write("relay", "OFF\n")
        broker = assert(sys.spawn({ "mosquitto", "-c", scratch:file("broker.conf") },
            { stdout = scratch:file("log"), stderr = scratch:file("log") }))
        local script = ("cd '%s' && HOST=%s PORT=%d && until mosquitto_pub -h $HOST -p $PORT -u ann -P 'open sesame' "
            .. "-t x -m x; do sleep 0.05; done\n%s"):format(scratch.path, host, port, PLUG)
        plug = assert(sys.spawn({ "sh", "-c", script }, { stdout = scratch:file("out"), stderr = scratch:file("out") }))
        local deadline = job.now() + 20
        local power = open({ timeout_s = 1 })
        while not pcall(power.state, power) do
            assert(job.now() < deadline, scratch:read("log"))
            job.sleep(0.05)
        end
    end)

    teardown(function()
        plug:close()
        broker:close()
        scratch:close()
    end)

    it("switches, asks and reads", function()
        local power = open()
        power:on()
        assert.equal("ON\n", scratch:read("relay"))
        assert.equal("on", power:state())
        assert.same({ volts = 230, amps = 0.2, watts = 41 }, power:read())
        power:off()
        assert.equal("off", power:state())
    end)

    it("takes the topics themselves, or a channel", function()
        local power = open({ cmnd_topic = "cmnd/plug/POWER2", stat_topic = "stat/plug/POWER2" })
        power:on()
        power = open({ channel = 2 })
        assert.equal("on", power:state())
        power:off()
        assert.equal("OFF\n", scratch:read("relay"))
    end)

    it("goes by TLS, and only to a broker that it believes", function()
        local power = open({ port = port + 1, tls = true, cacert = scratch:file("ca.pem") })
        power:on()
        power:off()
        power = open({ port = port + 1, tls = true, cacert = scratch:file("other.pem") })
        local failure = failure_of(power.on, power)
        assert.equal("OFF\n", scratch:read("relay"))
        assert.is_nil(failure.message:find("tries", 1, true), failure.message)
        assert.truthy(failure.hint:find("cacert", 1, true), failure.message)
    end)

    it("is refused at once with a wrong password, which no message shows", function()
        local power = open({ password = "wrong-password" })
        local failure = failure_of(power.on, power)
        assert.truthy(failure.message:find(("power on: MQTT broker %s:%d: "):format(host, port), 1, true))
        assert.truthy(failure.hint:find("username and password", 1, true), failure.message)
        assert.is_nil(failure.message:find("wrong%-password"))
        assert.is_nil(failure.message:find("tries", 1, true), failure.message)
    end)

    it("tells a broker that is not there from a plug that does not answer", function()
        local power = open({ port = port + 7 })
        local failure = failure_of(power.on, power)
        assert.truthy(failure.message:find("Connection refused (3 tries)", 1, true), failure.message)
        scratch:write("mute", "")
        power = open({ timeout_s = 1 })
        failure = failure_of(power.state, power)
        scratch:sh("rm mute")
        assert.equal("timeout", failure.code)
        assert.truthy(failure.message:find("the plug did not answer on stat/plug/POWER within 1 s", 1, true))
    end)

    it("does not take for an answer what the broker had kept", function()
        local function keep(word)
            scratch:sh(("mosquitto_pub -h %s -p %d -u ann -P 'open sesame' -r -t stat/plug/POWER %s"):format(host, port,
                word))
        end
        keep("-m ON")
        scratch:write("mute", "")
        local power = open({ timeout_s = 0.3 })
        local failure = failure_of(power.on, power)
        scratch:sh("rm mute")
        assert.equal("timeout", failure.code)
        power = open()
        assert.equal("off", power:state())
        keep("-n")
    end)

    it("gives up a server that takes the connection and says nothing, and at once when cancelled", function()
        local silent <close> = listen(host)
        local power = open({ port = silent.port, timeout_s = 0.2 })
        local failure = failure_of(power.state, power)
        assert.equal("timeout", failure.code)
        assert.truthy(failure.message:find(("MQTT broker %s:%d: "):format(host, silent.port), 1, true), failure.message)
        local power_tls = open({ port = silent.port, tls = true, timeout_s = 0.2 })
        assert.equal("timeout", failure_of(power_tls.state, power_tls).code)
        power = open({ port = silent.port, timeout_s = 60 })
        local begun = job.now()
        failure = failure_of(function()
            job.cancel(2)
            power:state()
        end)
        job.reset()
        assert.equal("cancelled", failure.class)
        assert.is_true(job.now() - begun < 10)
    end)

    it("says that a server is no broker", function()
        local web <close> = listen(host, "HTTP/1.1 400 Bad Request\\r\\n\\r\\n")
        local power = open({ port = web.port })
        local failure = failure_of(power.state, power)
        assert.truthy(failure.message:find("this is no MQTT broker", 1, true), failure.message)
        power = open({ port = port, tls = true, cacert = scratch:file("ca.pem") })
        failure = failure_of(power.state, power)
        assert.truthy(failure.hint:find("look at the keys tls", 1, true), failure.message)
        power = open({ port = port + 1, tls = true, cacert = scratch:file("nowhere.pem") })
        failure = failure_of(power.state, power)
        assert.truthy(failure.message:find("nowhere.pem", 1, true), failure.message)
    end)

    it("tells when the broker goes away before the plug has answered", function()
        local server <close> = listen(host, "\\x20\\x02\\0\\0") -- a CONNACK, and the end
        local power = open({ port = server.port })
        local failure = failure_of(power.state, power)
        assert.truthy(failure.message:find("the broker closed the connection", 1, true), failure.message)
    end)

    it("has what MQTT itself has, for drivers of one's own", function()
        local settings = { username = "ann", password = "open sesame" }
        local client <close> = assert(mqtt.connect(host, port, settings))
        local other <close> = assert(mqtt.connect(host, port, settings))
        assert(client:subscribe("bench/#"))
        assert(other:publish("bench/a", "one\0two", { retain = true }))
        assert(other:publish("bench/b", ""))
        assert.same({ topic = "bench/a", payload = "one\0two", retained = false }, client:receive())
        assert.same({ topic = "bench/b", payload = "", retained = false }, client:receive())
        assert(other:subscribe("bench/a"))
        assert.same({ topic = "bench/a", payload = "one\0two", retained = true }, other:receive())
        assert(other:publish("bench/a", "", { retain = true }))
        local message, said, code = client:receive({ timeout_s = 0 })
        assert(message or code == "timeout", said)
        other:close()
        assert.has_error(function() other:receive() end, "the MQTT client is closed")
    end)

    it("says what to install where libmosquitto is missing", function()
        scratch:sh("mkdir -p without && echo 'no library' >without/libmosquitto.so.1")
        scratch:write("connect.lua", 'print(require("jflash.mqtt").connect("127.0.0.1", 1883))')
        local result = assert(sys.run({ sys.process_exe(sys.pid()), "run", scratch:file("connect.lua") },
            { env = { LD_LIBRARY_PATH = scratch:file("without") } }))
        assert.equal("nil\ttalking to an MQTT broker needs libmosquitto.so.1, which is not installed: "
            .. "apt install libmosquitto1\tunsupported\n", result.stdout)
    end)

    it("does not believe a plug that only says so", function()
        local power = open()
        scratch:write("stuck", "")
        local failure = failure_of(power.on, power)
        scratch:sh("rm stuck")
        assert.equal("power on: it was switched on, and says that it is off (3 tries)", failure.message)
    end)

    it("stops waiting when the run is cancelled", function()
        local power = open()
        scratch:write("mute", "")
        local failure = failure_of(function()
            job.cancel(2)
            power:on()
        end)
        job.reset()
        scratch:sh("rm mute")
        assert.equal("cancelled", failure.class)
    end)

    it("refuses a configuration that cannot do", function()
        for _, case in ipairs({
            { {}, "needs the key 'topic'" }, { { topic = "a/#" }, "is no topic of one device" },
            { { topic = "a", cert = "c" }, "belong together" },
        }) do
            case[1].type, case[1].host = "tasmota", "h"
            local failure = failure_of(powers.open, case[1], { name = "bench" })
            assert(failure.message:find(case[2], 1, true), failure.message)
        end
    end)
end)
