-- SPDX-License-Identifier: Apache-2.0
--
-- Power by SNMP, against a real snmpd whose objects are kept by a script.
local errors = require("jflash.errors")
local job = require("jflash.job")
local net = require("jflash.net")
local powers = require("jflash.power")
local scratches = require("tests.support.scratch")
local sys = require("jflash.sys")

local OID = "1.3.6.1.4.1.318.1.1.12.3.3.1.1.4.5" -- outlet 5 of an APC
local CONF = [[
agentaddress udp:%s:%d
rocommunity public
rwcommunity "open sesame"
rwuser plain noauth
rwuser md5des auth
rwuser shaaes priv
rouser looker auth
pass .1.3.6.1.4.1 /bin/sh %s
pass .1.3.6.1.4.99 /bin/sh %s
]]
local USERS = [[
createUser plain
createUser md5des MD5 "auth-key-1" DES "priv-key-1"
createUser shaaes SHA "auth-key-2" AES "priv-key-2"
createUser looker SHA "auth-key-3"
]]
-- snmpd's pass protocol: -g OID prints OID, type and value; -s OID type value.
local OUTLETS = [[
dir=%s
file="$dir/object$2"
case $1 in
-g) [ -e "$file" ] || exit 0; printf '%%s\ninteger\n%%s\n' "$2" "$(cat "$file")" ;;
-s) [ -e "$file" ] || { echo not-writable; exit 0; }
    [ "$4" != 9 ] || { echo wrong-value; exit 0; }
    [ -e "$dir/stuck" ] || echo "$4" >"$file" ;;
esac
]]

local function failure_of(action, ...)
    local ok, failure = xpcall(action, errors.wrap, ...)
    assert.is_false(ok)
    assert.not_equal("bug", failure.class, failure.message)
    return failure
end

describe("power by SNMP", function()
    local scratch, agent, host, port

    local function open(more, context)
        local config = { type = "snmp", host = host, port = port, preset = "apc", outlet = 5,
            community = "open sesame" }
        for key, value in pairs(more or {}) do
            config[key] = value
        end
        return powers.open(config, context or { name = "bench", retry_pause_s = 0, settle_s = 0 })
    end

    setup(function()
        scratch = scratches.new()
        host, port = assert(net.random_loopback()), 20000 + sys.pid() % 20000
        local script = scratch:write("outlets.sh", OUTLETS:format(scratch.path))
        scratch:write("snmpd.conf", CONF:format(host, port, script, script) .. USERS)
        scratch:sh("mkdir state; chmod 700 state")
        scratch:write("object." .. OID, "2\n")
        agent = assert(sys.spawn({ "snmpd", "-f", "-C", "-c", scratch:file("snmpd.conf"), "-Lf", scratch:file("log"),
            "-p", scratch:file("pid"), "-I", "-smux" }, {
            env = { SNMP_PERSISTENT_DIR = scratch:file("state"), MIBS = "" },
            stdout = scratch:file("out"), stderr = scratch:file("out"),
        }))
        local deadline = job.now() + 20
        while not pcall(function() assert(open({ timeout_s = 0.5 }):state()) end) do
            assert(job.now() < deadline, scratch:read("out"))
        end
    end)

    teardown(function()
        agent:close()
        scratch:close()
    end)

    local function object()
        return scratch:read("object." .. OID):match("%d+")
    end

    local LOGINS = {
        { version = "1" },
        { version = "2c" },
        { version = "3", user = "plain" },
        { version = "3", user = "md5des", auth_protocol = "MD5", auth_key = "auth-key-1" },
        { version = "3", user = "md5des", auth_protocol = "MD5", auth_key = "auth-key-1",
            priv_protocol = "DES", priv_key = "priv-key-1" },
        { version = "3", user = "shaaes", auth_protocol = "SHA", auth_key = "auth-key-2",
            priv_protocol = "AES", priv_key = "priv-key-2" },
    }
    for _, login in ipairs(LOGINS) do
        it(("switches and asks: version %s, %s, %s"):format(login.version, login.auth_protocol or "no authentication",
            login.priv_protocol or "no encryption"), function()
            local power = open(login)
            power:on()
            assert.equal("1", object())
            assert.equal("on", power:state())
            power:off()
            assert.equal("2", object())
            assert.equal("off", power:state())
        end)
    end

    local function refused(name, login, words, hint)
        it("is refused at once: " .. name, function()
            local power = open(login)
            local failure = failure_of(power.on, power)
            assert.equal("host", failure.class)
            assert.truthy(failure.message:find(words, 1, true), failure.message)
            assert.is_nil(failure.message:find("tries", 1, true), failure.message)
            assert.truthy(failure.hint:find(hint, 1, true), failure.hint)
            for _, secret in ipairs({ "wrong-key-9", "open sesame" }) do
                assert.is_nil(failure.message:find(secret, 1, true))
            end
            assert.equal("2", object())
        end)
    end

    local SHA = { version = "3", user = "shaaes", auth_protocol = "SHA", auth_key = "auth-key-2",
        priv_protocol = "AES", priv_key = "priv-key-2" }
    local function with(more)
        local all = {}
        for _, some in ipairs({ SHA, more }) do
            for key, value in pairs(some) do
                all[key] = value
            end
        end
        return all
    end
    refused("a wrong key", with({ auth_key = "wrong-key-9" }), "Authentication failure", "auth_key")
    refused("an unknown user", with({ user = "nobody" }), "Unknown user name", "user")
    refused("one who may only read", { version = "3", user = "looker", auth_protocol = "SHA",
        auth_key = "auth-key-3" }, "noAccess", "not write")
    refused("a community that may only read", { community = "public" }, "noAccess", "not write")
    refused("an outlet that is not there", { outlet = 6 }, "notWritable", "another one")
    refused("a value that the object does not take", { on_value = 9 }, "wrongValue", "on_value")

    it("says that an outlet is not there when it is asked", function()
        local power = open({ outlet = 6 })
        local failure = failure_of(power.state, power)
        assert.truthy(failure.message:find("No Such", 1, true), failure.message)
    end)

    it("does not believe an agent that only says so", function()
        local power = open()
        scratch:write("stuck", "")
        local failure = failure_of(power.on, power)
        scratch:sh("rm stuck")
        assert.equal("power on: it was switched on, and says that it is off (3 tries)", failure.message)
    end)

    it("gives up an agent that does not answer, after three tries", function()
        local power = open({ port = port + 1, timeout_s = 0.3 })
        local failure = failure_of(power.on, power)
        assert.truthy(failure.message:find("No Response", 1, true), failure.message)
        assert.truthy(failure.message:find("(3 tries)", 1, true), failure.message)
    end)

    it("knows the outlets of Raritan, Eaton and Server Technology", function()
        local base = "1.3.6.1.4.1."
        local function object_of(oid)
            return (scratch:read("object." .. base .. oid):match("%d+"))
        end
        local function keep(oid, value)
            scratch:write("object." .. base .. oid, value .. "\n")
        end
        keep("13742.6.4.1.2.1.2.1.3", 0)
        keep("13742.6.4.1.2.1.3.1.3", 7)
        keep("13742.6.5.4.3.1.4.1.3.1", 420)
        keep("13742.6.5.4.3.1.4.1.3.4", 230)
        keep("13742.6.5.4.3.1.4.1.3.5", 96)
        local power = open({ preset = "raritan", outlet = 3 })
        power:on()
        assert.equal("1", object_of("13742.6.4.1.2.1.2.1.3"))
        assert.same({ amps = 0.42, volts = 230, watts = 96 }, power:read())
        keep("534.6.6.7.6.6.1.4.0.3", 5)
        keep("534.6.6.7.6.6.1.3.0.3", 5)
        keep("534.6.6.7.6.6.1.2.0.3", 0)
        power = open({ preset = "eaton", outlet = 3 })
        power:off()
        assert.same({ "5", "0" }, { object_of("534.6.6.7.6.6.1.4.0.3"), object_of("534.6.6.7.6.6.1.3.0.3") })
        keep("1718.3.2.3.1.11.2.1.5", 0)
        keep("1718.3.2.3.1.5.2.1.5", 1)
        power = open({ preset = "servertech", outlet = "2.1.5" })
        power:on()
        assert.equal("1", object_of("1718.3.2.3.1.11.2.1.5"))
    end)

    it("refuses a configuration that cannot do", function()
        for _, case in ipairs({
            { { preset = "apc" }, "needs the key 'outlet'" },
            { {}, "needs the keys 'oid', 'on_value' and 'off_value', or a 'preset'" },
            { { preset = "apc", outlet = 1, version = "3" }, "version 3 needs the key 'user'" },
            { { preset = "apc", outlet = 1, auth_key = "auth-key-1" }, "belong together" },
            { { preset = "apc", outlet = 1, auth_protocol = "SHA", auth_key = "short" }, "at least 8 characters" },
            { { oid = "sysName.0", on_value = 1, off_value = 0 }, "is no number of an object" },
        }) do
            case[1].type, case[1].host = "snmp", "pdu"
            local failure = failure_of(powers.open, case[1], { name = "bench" })
            assert.equal("config", failure.class)
            assert(failure.message:find(case[2], 1, true), failure.message)
        end
    end)
end)
