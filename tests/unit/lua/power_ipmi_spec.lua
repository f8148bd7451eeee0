-- SPDX-License-Identifier: Apache-2.0
--
-- Power by IPMI: ipmitool against OpenIPMI's simulator of a controller.
local job = require("jflash.job")
local net = require("jflash.net")
local powers = require("jflash.power")
local scratches = require("tests.support.scratch")
local support = require("tests.support.power")
local sys = require("jflash.sys")

local LAN = [[
name "jflash"
set_working_mc 0x20
  startlan 1
    addr %s %d
    priv_limit admin
    allowed_auths_callback none md2 md5 straight
    allowed_auths_user none md2 md5 straight
    allowed_auths_operator none md2 md5 straight
    allowed_auths_admin none md2 md5 straight
    guid a123456789abcdefa123456789abcdef
  endlan
  chassis_control "%s"
  user 1 true "" "test" user 10 none md2 md5 straight
  user 2 true "ann" "sesame" admin 10 none md2 md5 straight
]]
local EMULATED = "mc_setbmc 0x20\nmc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02 persist_sdr\nmc_enable 0x20\n"
-- The server behind the controller: what it is told, and whether it is on.
local CHASSIS = [[#!/bin/sh
dir=$(dirname "$0")
case "$1 $2" in
"get power") echo "power:$(cat "$dir/power" 2>/dev/null || echo 0)" ;;
"set power") echo "$3" >"$dir/power" ;;
esac
]]

describe("power by IPMI", function()
    local scratch, simulator, host, port

    setup(function()
        scratch = scratches.new()
        host, port = assert(net.random_loopback()), 9000 + sys.pid() % 20000
        local chassis = scratch:write("chassis", CHASSIS)
        scratch:write("lan.conf", LAN:format(host, port, chassis))
        scratch:write("emulated", EMULATED)
        scratch:sh("chmod 755 chassis && mkdir state")
        -- It ends with its standard input.
        simulator = assert(sys.spawn({ "sh", "-c", ("sleep 600 | exec ipmi_sim -c '%s' -f '%s' -s '%s'"):format(
            scratch:file("lan.conf"), scratch:file("emulated"), scratch:file("state")) },
            { stdout = scratch:file("out"), stderr = scratch:file("out") }))
    end)

    teardown(function()
        simulator:close()
        scratch:close()
    end)

    local function open(more)
        local config = { type = "ipmi", host = host, port = port, user = "ann", password = "sesame", cipher_suite = 3 }
        for key, value in pairs(more or {}) do
            config[key] = value
        end
        return powers.open(config, { name = "bench", retry_pause_s = 0 })
    end

    it("switches, and asks for the state", function()
        local power = open()
        local deadline = job.now() + 20
        while not pcall(power.state, power) do
            assert(job.now() < deadline, scratch:read("out"))
            job.sleep(0.05)
        end
        power:on()
        assert.equal("1\n", scratch:read("power"))
        assert.equal("on", power:state())
        power:off()
        assert.equal("0\n", scratch:read("power"))
        assert.equal("off", power:state())
    end)

    it("fails at once with a wrong password, which no message shows", function()
        local power = open({ password = "wrong-password" })
        local failure = support.failure_of(power.on, power)
        assert.equal("host", failure.class)
        assert.truthy(failure.message:find("power on: ipmitool at " .. host, 1, true), failure.message)
        assert.is_nil(failure.message:find("wrong%-password"))
        assert.equal("0\n", scratch:read("power"))
    end)

    it("gives up a controller that does not answer", function()
        local power = open({ port = port + 1, timeout_s = 0.3 })
        local failure = support.failure_of(power.state, power)
        assert.truthy(failure.message:find("no answer within 0.3 s", 1, true), failure.message)
    end)
end)
