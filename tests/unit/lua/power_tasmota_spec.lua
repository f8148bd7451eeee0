-- SPDX-License-Identifier: Apache-2.0
--
-- Power by a plug with Tasmota: a real broker (mosquitto, with passwords and TLS), and
-- a fake plug that listens there.
local brokers = require("tests.support.mqtt")
local drivers = require("tests.support.power")
local job = require("jflash.job")
local mqtt = require("jflash.mqtt")
local scratches = require("tests.support.scratch")
local sys = require("jflash.sys")

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

local failure_of = drivers.failure_of

describe("power by Tasmota", function()
    local scratch, broker, plug, host, port

    local function open(more)
        local config = { type = "tasmota", host = host, port = port, topic = "plug", username = "ann",
            password = "open sesame", timeout_s = 5 }
        for key, value in pairs(more or {}) do
            config[key] = value
        end
        return drivers.open(config)
    end

    setup(function()
        scratch = scratches.new()
        broker = brokers.start(scratch)
        host, port = broker.host, broker.port
        scratch:write("relay", "OFF\n")
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

    it("shows the broker a certificate where it asks for one", function()
        local login = { port = broker.strict_port, tls = true, cacert = scratch:file("ca.pem") }
        local power = open(login)
        local failure = failure_of(power.state, power)
        assert.truthy(failure.hint:find("look at the keys .*cert"), failure.message)
        assert.is_nil(failure.message:find("tries", 1, true), failure.message)
        login.cert, login.key = scratch:file("client.pem"), scratch:file("client.key")
        power = open(login)
        assert.equal("off", power:state())
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
        local silent <close> = brokers.listen(host)
        local power = open({ port = silent.port, timeout_s = 0.2 })
        local failure = failure_of(power.state, power)
        assert.equal("timeout", failure.code)
        assert.equal(("power state: MQTT broker %s:%d: the server took the connection, but did not let us in before "
            .. "the time was over (timeout_s: 0.2)"):format(host, silent.port), failure.message)
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
        local web <close> = brokers.listen(host, "HTTP/1.1 400 Bad Request\\r\\n\\r\\n")
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
        local server <close> = brokers.listen(host, "\\x20\\x02\\0\\0") -- a CONNACK, and the end
        local power = open({ port = server.port })
        local failure = failure_of(power.state, power)
        assert.truthy(failure.message:find("the broker closed the connection", 1, true), failure.message)
    end)

    it("does not believe a plug that only says so", function()
        local power = open()
        scratch:write("stuck", "")
        local failure = failure_of(power.on, power)
        scratch:sh("rm stuck")
        assert.equal("power on: it was switched on, and says that it is off (3 tries)", failure.message)
    end)

    describe("from the command line", function()
        local CONFIG = [[
boards:
  bench:
    console: {device: /dev/null}
    power: {type: tasmota, host: %s, port: %d, topic: plug, username: ann, password: %s, timeout_s: 60}
]]

        -- Its folders and what it prints are in the folder "run".
        local function start(password, action)
            local config = scratch:write("jflash.yaml", CONFIG:format(host, port, password))
            scratch:sh("mkdir -p run")
            local env = {}
            for _, name in ipairs({ "HOME", "TMPDIR", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR", "XDG_STATE_HOME" }) do
                env[name] = scratch:file("run")
            end
            return assert(sys.spawn({ sys.process_exe(sys.pid()), "--config", config, "power", action, "--board",
                "bench" }, { stdout = scratch:file("run/out"), stderr = scratch:file("run/out"), env = env }))
        end

        it("leaves its password nowhere", function()
            for password, status in pairs({ ["open sesame"] = 0, ["wrong-password"] = 4 }) do
                local run <close> = start(password, "off")
                assert.equal(status, assert(run:wait()).status, scratch:read("run/out"))
                scratch:sh(("! grep -r '%s' run"):format(password))
            end
            assert.truthy(scratch:read("run/out"):find("not authorised", 1, true))
        end)

        it("stops waiting for the plug at Ctrl-C", function()
            local onlooker <close> = assert(mqtt.connect(host, port, brokers.LOGIN))
            assert(onlooker:subscribe("cmnd/plug/POWER"))
            scratch:write("mute", "")
            local run <close> = start("open sesame", "state")
            assert(onlooker:receive({ timeout_s = 20 }))
            assert(run:kill("INT"))
            assert.equal(130, assert(run:wait({ timeout_s = 20 })).status, scratch:read("run/out"))
            scratch:sh("rm mute")
        end)
    end)

    it("refuses a configuration that cannot do", function()
        for _, case in ipairs({
            { {}, "needs the key 'topic'" }, { { topic = "a/#" }, "is no topic of one device" },
            { { topic = "a", cert = "c" }, "belong together" },
            { { topic = "a", password = "p" }, "a password needs a username" },
        }) do
            case[1].type, case[1].host = "tasmota", "h"
            local failure = failure_of(drivers.open, case[1])
            assert(failure.message:find(case[2], 1, true), failure.message)
        end
    end)
end)
