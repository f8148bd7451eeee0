-- SPDX-License-Identifier: Apache-2.0
--
-- Power by HTTP, against a fake of the devices that jflash has presets for
-- (tests/support/fake_web_plugs.py).
local job = require("jflash.job")
local json_path = require("jflash.power.json_path")
local powers = require("jflash.power")
local scratches = require("tests.support.scratch")
local support = require("tests.support.power")
local web = require("tests.support.web")

local PASSWORD = "open sesame"

describe("power by HTTP", function()
    local scratch, server

    setup(function()
        scratch = scratches.new()
        server = web.plugs(scratch)
    end)

    teardown(function()
        server:close()
        scratch:close()
    end)

    local function open(config)
        config.type = "http"
        config.host = config.host or server.host
        return support.open(config, 0.1)
    end

    local function requests()
        local count = select(2, scratch:read("plugs.log"):gsub("\n", ""))
        return count
    end

    local ANN = { user = "ann", password = PASSWORD }
    local PRESETS = {
        { { preset = "shelly1", outlet = 1 }, reading = { watts = 4.25 }, login = ANN },
        { { preset = "shelly2" }, reading = { volts = 229.5, amps = 0.5, watts = 114 }, login = ANN },
        { { preset = "tasmota-http" }, reading = { volts = 231, amps = 0.1, watts = 23 }, login = ANN },
        { { preset = "netio", outlet = 2 }, reading = { volts = 230, amps = 0.25, watts = 57 }, login = ANN },
        { { preset = "esphome", outlet = "bench" }, login = ANN },
        { { preset = "homeassistant", outlet = "switch.bench" }, login = { bearer = "the-token" } },
        { { preset = "pdudaemon", pdu = "pdu-1", outlet = 3 }, login = {}, blind = true },
        { { preset = "redfish", outlet = "blade" }, reading = { watts = 211 }, login = ANN, scheme = "http://" },
    }

    for _, row in ipairs(PRESETS) do
        local function config(more)
            local all = {}
            for _, some in ipairs({ row[1], row.login, { host = (row.scheme or "") .. server.host }, more or {} }) do
                for key, value in pairs(some) do
                    all[key] = value
                end
            end
            return all
        end

        it("switches, asks and reads: " .. row[1].preset, function()
            local power = open(config())
            for _ = 1, 2 do -- what is on can be switched on
                power:on()
                assert.equal(not row.blind and "on" or nil, power:state())
            end
            power:off()
            assert.equal(not row.blind and "off" or nil, power:state())
            power:cycle(0)
            power:off()
            assert.same(row.reading, power:read())
        end)

        if not row.blind then
            it("does not believe a device that only says so: " .. row[1].preset, function()
                local power = open(config())
                power:on()
                local liar = open(config({ host = "http://" .. server.host .. "/stuck" }))
                -- A slow one gets its time (Redfish), which this test has not.
                liar.device.settle_s = nil
                local failure = support.failure_of(liar.off, liar)
                assert.equal("power off: it was switched off, and says that it is on (3 tries)", failure.message)
                power:off()
            end)

            it("asks once with a wrong login, and shows it nowhere: " .. row[1].preset, function()
                local wrong = row.login.bearer and { bearer = "another-token" } or { password = "wrong-password" }
                local before = requests()
                local power = open(config(wrong))
                local failure = support.failure_of(power.state, power)
                assert.equal("protocol", failure.code)
                assert.is_nil(failure.message:find("wrong%-password"), failure.message)
                assert.is_nil(failure.message:find("tries", 1, true))
                failure = support.failure_of(power.on, power)
                assert.is_nil(failure.message:find("tries", 1, true), failure.message)
                if row[1].preset ~= "tasmota-http" then
                    assert.truthy(failure.message:find("answered 401", 1, true), failure.message)
                    assert.truthy(failure.hint:find("password", 1, true))
                    assert.equal(before, requests())
                end
            end)
        end
    end

    it("tries an error of the device's three times", function()
        local power = open({ preset = "pdudaemon", pdu = "pdu-1", host = server.url .. "/fail" })
        local before = requests()
        local failure = support.failure_of(power.on, power)
        assert.equal("host", failure.class)
        assert.truthy(failure.message:find("power on: GET " .. server.url .. "/fail/power/control/on: "
            .. "the server answered 500 (Internal Server Error) (3 tries)", 1, true), failure.message)
        assert.equal(before + 3, requests())
    end)

    it("gives up a device that does not answer", function()
        local power = open({ preset = "shelly1", host = server.url .. "/slow", timeout_s = 0.05 })
        local began = job.now()
        local failure = support.failure_of(power.state, power)
        assert.equal("timeout", failure.code)
        assert.is_true(job.now() - began < 5)
    end)

    it("gives up a device that is not there, and one without such an outlet", function()
        local gone = open({ preset = "shelly1", host = "127.0.0.1:1" })
        local failure = support.failure_of(gone.on, gone)
        assert.truthy(failure.message:find("Connection refused (3 tries)", 1, true), failure.message)
        local power = open({ preset = "esphome", outlet = "no such", user = "ann", password = PASSWORD })
        failure = support.failure_of(power.on, power)
        assert.truthy(failure.message:find("answered 404 %(Not Found%)$"), failure.message)
        assert.truthy(failure.hint:find("outlet", 1, true))
    end)

    it("stops asking when the run is cancelled", function()
        local power = open({ preset = "shelly1", host = server.url .. "/slow" })
        local failure = support.failure_of(function()
            job.cancel(2)
            power:on()
        end)
        job.reset()
        assert.equal("cancelled", failure.class)
    end)

    it("sends what the configuration says, instead of the preset's or alone", function()
        local power = support.open({
            type = "http", user = "ann", password = PASSWORD,
            on = { url = server.url .. "/netio.json", method = "POST", body = '{"Outputs":[{"ID":2,"Action":1}]}' },
            off = { url = server.url .. "/netio.json", method = "POST", body = '{"Outputs":[{"ID":2,"Action":0}]}' },
            state = { url = server.url .. "/netio.json", path = "Outputs[1].State", on = { "0" }, off = { "1" } },
        })
        local failure = support.failure_of(power.on, power) -- its values are the wrong way round
        assert.truthy(failure.message:find("says that it is off", 1, true))
        power = open({ preset = "homeassistant", outlet = "switch.bench", bearer = "the-token",
            state = { url = server.url .. "/nosuch" } })
        failure = support.failure_of(power.off, power)
        assert.truthy(failure.message:find("power state: GET .*/nosuch: the server answered 404"), failure.message)
    end)

    it("names what it did not understand", function()
        local power = open({ preset = "shelly1", user = "ann", password = PASSWORD, outlet = 1,
            state = { url = server.url .. "/status", path = "meters[1].power" },
            read = { url = server.url .. "/status", amps = "nothing[3].there" } })
        local failure = support.failure_of(power.state, power)
        assert.truthy(failure.message:find("power state: the answer says neither on nor off: '{\"meters\"", 1, true))
        assert.equal("protocol", support.failure_of(power.read, power).code)
    end)

    it("refuses a configuration that cannot do", function()
        for _, case in ipairs({
            { { preset = "shelly" }, "expected one of esphome" },
            { {}, "power: needs the keys 'on' and 'off', or a 'preset'" },
            { { on = { url = "ftp://x" }, off = { url = "http://x" } }, "power.on.url: 'ftp://x' is no http://" },
            { { preset = "homeassistant", host = "h", outlet = "switch.a" }, "needs the key 'bearer'" },
            { { preset = "pdudaemon", host = "h" }, "needs the key 'pdu'" },
        }) do
            case[1].type = "http"
            local failure = support.failure_of(powers.open, case[1], { name = "bench" })
            assert.equal("config", failure.class)
            assert(failure.message:find(case[2], 1, true), failure.message)
        end
        local failure = support.failure_of(powers.open, { type = "http", preset = "netio" }, { name = "bench" })
        assert.truthy(failure.message:find("needs the key 'host'", 1, true))
    end)

    it("believes a device's certificate only when it can", function()
        local own = scratches.new()
        local secure = web.plugs(own, { tls = true })
        local config = { type = "http", preset = "shelly1", host = secure.url, user = "ann", password = PASSWORD }
        local context = { name = "bench", retry_pause_s = 0 }
        local power = powers.open(config, context)
        local failure = support.failure_of(power.on, power)
        assert.truthy(failure.message:find("certificate", 1, true), failure.message)
        assert.is_nil(failure.message:find("tries", 1, true))
        config.cacert = secure.cacert
        powers.open(config, context):on()
        config.cacert, config.insecure = nil, true
        powers.open(config, context):off()
        secure:close()
        own:close()
    end)
end)

describe("a path into an answer", function()
    it("leads through keys and positions, and tries alternatives", function()
        local text = '{"a": {"b": [{"c": 1}, {"c": false}]}, "n": null}'
        assert.equal(1, json_path.find(text, "a.b[0].c"))
        assert.is_false(json_path.find(text, "a.b[1].c"))
        assert.equal(1, json_path.find(text, "x|n|a.b[0].c"))
        assert.is_nil(json_path.find(text, "a.b[2].c"))
        assert.is_nil(json_path.find(text, "a.b.c.d[0]"))
        assert.is_nil(json_path.find("no json", "a"))
        assert.equal("ON", json_path.find(" ON\r\n"))
        assert.equal(7, json_path.find("[[7]]", "[0][0]"))
    end)
end)
