-- SPDX-License-Identifier: Apache-2.0
--
-- jflash.mqtt: a client of a real broker (mosquitto, with passwords and TLS), and of
-- servers that are no good brokers.
local brokers = require("tests.support.mqtt")
local job = require("jflash.job")
local mqtt = require("jflash.mqtt")
local scratches = require("tests.support.scratch")
local sys = require("jflash.sys")

describe("an MQTT client", function()
    local scratch, broker

    local function connect(port, more)
        local options = { username = "ann", password = "open sesame" }
        for key, value in pairs(more or {}) do
            options[key] = value
        end
        return mqtt.connect(broker.host, port, options)
    end

    -- With a certificate, `name`.pem, and a key.
    local function strict(name, key)
        return mqtt.connect(broker.host, broker.strict_port, { tls = true, cacert = scratch:file("ca.pem"),
            cert = name and scratch:file(name .. ".pem"), key = name and scratch:file((key or name) .. ".key") })
    end

    setup(function()
        scratch = scratches.new()
        broker = brokers.start(scratch)
        local deadline = job.now() + 20
        while not connect(broker.port) do
            assert(job.now() < deadline, scratch:read("log"))
            job.sleep(0.02)
        end
    end)

    teardown(function()
        broker:close()
        scratch:close()
    end)

    it("subscribes, publishes and receives", function()
        local client <close> = assert(connect(broker.port))
        local other <close> = assert(connect(broker.port))
        assert(client:subscribe("bench/#"))
        assert(other:publish("bench/a", "one\0two", { retain = true }))
        assert(other:publish("bench/b", ""))
        assert.same({ topic = "bench/a", payload = "one\0two", retained = false }, client:receive())
        assert.same({ topic = "bench/b", payload = "", retained = false }, client:receive())
        assert(other:subscribe("bench/a"))
        assert.same({ topic = "bench/a", payload = "one\0two", retained = true }, other:receive())
        assert(other:publish("bench/a", "", { retain = true }))
        other:close()
        assert.has_error(function() other:receive() end, "the MQTT client is closed")
    end)

    it("receives many messages at once through TLS, also large ones", function()
        local client <close> = assert(connect(broker.tls_port, { tls = true, cacert = scratch:file("ca.pem") }))
        local other <close> = assert(connect(broker.port))
        assert(client:subscribe("many"))
        local large = ("0123456789abcdef"):rep(20000)
        for i = 1, 50 do
            assert(other:publish("many", i == 25 and large or tostring(i)))
        end
        for i = 1, 50 do
            assert.equal(i == 25 and large or tostring(i), assert(client:receive()).payload)
        end
    end)

    it("takes what has come already when there is no time to wait", function()
        local client <close> = assert(connect(broker.port))
        assert(client:subscribe("now"))
        assert(client:publish("now", "here"))
        local deadline = job.now() + 10
        local message, said, code
        repeat
            message, said, code = client:receive({ timeout_s = 0 })
        until message or code ~= "timeout" or job.now() > deadline
        assert(message, said)
        assert.equal("timeout", (select(3, client:receive({ timeout_s = 0 }))))
    end)

    it("says who it is where the broker asks for a certificate", function()
        local client <close> = assert(strict("client"))
        assert(client:publish("bench/x", "y"))
        for _, case in ipairs({ { nil, nil, "certificate" }, { "other", nil, "TLS: " },
            { "client", "other", 'TLS: Unable to load client key file "' .. scratch:file("other.key") .. '"' } }) do
            local _, message, code = strict(case[1], case[2])
            assert.equal("io", code, message)
            assert.truthy(message:find(case[3], 1, true), message)
            assert.is_nil(message:find("Protocol error", 1, true), message)
        end
    end)

    it("tells topics that cannot be, and stays connected", function()
        local client <close> = assert(connect(broker.port))
        for _, topic in ipairs({ "a/#", "" }) do
            local _, message, code = client:publish(topic, "x")
            assert.same({ ('"%s" is no topic to publish to'):format(topic), "protocol" }, { message, code })
        end
        for _, topic in ipairs({ "a/#/b", "" }) do
            local _, message, code = client:subscribe(topic)
            assert.same({ ('"%s" is no topic to subscribe to'):format(topic), "protocol" }, { message, code })
        end
        assert(client:publish("bench/x", "y"))
    end)

    it("says why it was not let in", function()
        local refused = { tls = true, cacert = scratch:file("other.pem") }
        for _, case in ipairs({
            { "protocol", "Connection Refused: not authorised", broker.port, { password = "wrong-password" } },
            { "io", "TLS: ", broker.port, { tls = true } },
            { "io", "Connection refused", broker.port + 100, { tls = true } },
            { "closed", "does it want TLS?", broker.tls_port },
            { "io", "Connection refused", broker.port + 100 },
            { "io", "TLS: certificate verify failed", broker.tls_port, refused },
            { "io", "TLS: certificate verify failed", broker.tls_port, { tls = true } },
            { "io", "nowhere.pem", broker.tls_port, { tls = true, cacert = scratch:file("nowhere.pem") } },
        }) do
            local _, message, code = connect(case[3], case[4])
            assert.equal(case[1], code, message)
            assert.truthy(message:find(case[2], 1, true), message)
        end
        local _, message = mqtt.connect(broker.host, broker.port, { password = "open sesame" })
        assert.truthy(message:find("a password needs a user name", 1, true), message)
    end)

    it("gives up a server that does not answer, and says how far it came", function()
        local silent <close> = brokers.listen(broker.host)
        local hole <close> = brokers.black_hole(broker.host)
        for _, case in ipairs({ { silent, "took the connection, but did not let us in" },
            { hole, "no connection came about" } }) do
            for _, tls in ipairs({ false, true }) do
                local _, message, code = connect(case[1].port, { tls = tls, timeout_s = 0.1 })
                assert.equal("timeout", code, message)
                assert.truthy(message:find(case[2], 1, true), message)
            end
        end
    end)

    it("ends with a clean-up's time", function()
        local client <close> = assert(connect(broker.port))
        local begun, before = job.now(), os.clock()
        local guard <close> = job.mask(0.2)
        local _, message, code = client:receive({ timeout_s = 20 })
        guard:close()
        assert.equal("timeout", code, message)
        assert.is_true(job.now() - begun < 10)
        assert.is_true(os.clock() - before < 5)
    end)

    it("lets Ctrl-C through while it connects", function()
        local silent <close> = brokers.listen(broker.host)
        local hole <close> = brokers.black_hole(broker.host)
        local script = scratch:write("connect.lua",
            'local mqtt, errors = require("jflash.mqtt"), require("jflash.errors")\n'
            .. 'local options = { timeout_s = 60, tls = arg[3] == "tls" }\n'
            .. 'errors.check("host", mqtt.connect(arg[1], math.tointeger(arg[2]), options))')
        for _, case in ipairs({ { silent, "01", "plain" }, { silent, "01", "tls" }, { hole, "02", "plain" } }) do
            local run <close> = assert(sys.spawn({ sys.process_exe(sys.pid()), "run", script, broker.host,
                tostring(case[1].port), case[3] }, { stdout = scratch:file("out"), stderr = scratch:file("out") }))
            brokers.await_connection(case[1].port, case[2])
            local begun = job.now()
            assert(run:kill("INT"))
            assert.equal(130, assert(run:wait({ timeout_s = 20 })).status, scratch:read("out"))
            assert.is_true(job.now() - begun < 5)
        end
    end)

    it("says what to install where libmosquitto is missing", function()
        scratch:sh("mkdir -p without && echo 'no library' >without/libmosquitto.so.1")
        scratch:write("connect.lua", 'print(require("jflash.mqtt").connect("127.0.0.1", 1883))')
        local result = assert(sys.run({ sys.process_exe(sys.pid()), "run", scratch:file("connect.lua") },
            { env = { LD_LIBRARY_PATH = scratch:file("without") } }))
        assert.equal("nil\ttalking to an MQTT broker needs libmosquitto.so.1, which is not installed: "
            .. "apt install libmosquitto1\tunsupported\n", result.stdout)
    end)
end)
