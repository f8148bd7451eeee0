-- SPDX-License-Identifier: Apache-2.0
--
-- Power by SNMP, against a real snmpd whose objects are kept by a script.
local job = require("jflash.job")
local net = require("jflash.net")
local power_tests = require("tests.support.power")
local scratches = require("tests.support.scratch")
local snmp = require("jflash.snmp")
local sys = require("jflash.sys")

local OID = "1.3.6.1.4.1.318.1.1.12.3.3.1.1.4.5" -- outlet 5 of an APC
local CONF = [[
agentaddress udp:%s:%d
sysdescr a PDU
rocommunity public
rwcommunity "open sesame"
rwuser plain noauth
rwuser md5des auth
rwuser shaaes priv
rwuser sha256 priv
rwuser sha512 auth
rouser looker auth
pass .1.3.6.1.4.1 /bin/sh %s
pass .1.3.6.1.4.99 /bin/sh %s
]]
local USERS = [[
createUser plain
createUser md5des MD5 "auth-key-1" DES "priv-key-1"
createUser shaaes SHA "auth-key-2" AES "priv-key-2"
createUser looker SHA "auth-key-3"
createUser sha256 SHA-256 "auth-key-4" AES "priv-key-4"
createUser sha512 SHA-512 "auth-key-5" DES "priv-key-5"
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

local failure_of = power_tests.failure_of

describe("power by SNMP", function()
    local scratch, agent, host, port

    local function open(more)
        local config = { type = "snmp", host = host, port = port, preset = "apc", outlet = 5,
            community = "open sesame" }
        for key, value in pairs(more or {}) do
            config[key] = value
        end
        return power_tests.open(config)
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
        { version = "3", user = "sha256", auth_protocol = "SHA-256", auth_key = "auth-key-4",
            priv_protocol = "AES", priv_key = "priv-key-4" },
        { version = "3", user = "sha512", auth_protocol = "SHA-512", auth_key = "auth-key-5" },
        { version = "3", user = "sha512", auth_protocol = "SHA-512", auth_key = "auth-key-5",
            priv_protocol = "DES", priv_key = "priv-key-5" },
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
    refused("one who does not encrypt", { version = "3", user = "shaaes", auth_protocol = "SHA",
        auth_key = "auth-key-2" }, "authorizationError", "not do that")
    refused("one without a key", { version = "3", user = "shaaes" }, "authorizationError", "not do that")
    refused("an encryption that the user has not", { version = "3", user = "looker", auth_protocol = "SHA",
        auth_key = "auth-key-3", priv_protocol = "AES", priv_key = "priv-key-3" }, "Unsupported security level",
        "another auth_protocol")
    refused("an unknown user", with({ user = "nobody" }), "Unknown user name", "user")
    refused("one who may only read", { version = "3", user = "looker", auth_protocol = "SHA",
        auth_key = "auth-key-3" }, "noAccess", "not write")
    refused("a community that may only read", { community = "public" }, "noAccess", "not write")
    refused("an outlet that is not there", { outlet = 6 }, "notWritable", "another one")
    refused("a value that the object does not take", { on_value = 9 }, "wrongValue", "on_value")

    -- RFC 3414 knows a report for it, but net-snmp's agent cannot tell and drops the request.
    it("tells an agent that cannot decrypt from one that is not there", function()
        local power = open(with({ priv_key = "wrong-key-9", timeout_s = 0.3 }))
        local failure = failure_of(power.state, power)
        assert.equal("timeout", failure.code)
        assert.truthy(failure.message:find("No Response to an encrypted request, though it answered before", 1, true),
            failure.message)
        assert.truthy(failure.hint:find("priv_key", 1, true), failure.hint)
        assert.is_nil(failure.message:find("wrong-key-9", 1, true))
    end)

    it("says that an outlet is not there when it is asked", function()
        for version, words in pairs({ ["1"] = "noSuchName", ["2c"] = "No Such Instance" }) do
            local power = open({ version = version, outlet = 6 })
            local failure = failure_of(power.state, power)
            assert.truthy(failure.message:find(words, 1, true), failure.message)
            assert.truthy(failure.hint:find("outlet, oid and preset", 1, true), failure.hint)
        end
    end)

    it("is a Lua module that reads integers and texts, and tells what is not there", function()
        local session <close> = assert(snmp.open(host, { port = port, community = "open sesame" }))
        assert.equal("integer", math.type(session:get("1.3.6.1.2.1.1.3.0")))
        assert.equal("a PDU", session:get(".1.3.6.1.2.1.1.1.0"))
        assert.same({ false, "No Such Object available on this agent at this OID" },
            { session:get("1.3.6.1.2.1.1.99") })
        local _, message, code = session:get("1.3.6.1.2.1.1.2.0")
        assert.equal("protocol", code)
        assert.truthy(message:find("neither a number nor a text", 1, true), message)
        for _, oid in ipairs({ "", ".", "1.3.", "1..3", "1.3.x", "1.3.4294967296", ("1."):rep(128) .. "1" }) do
            assert.equal("unsupported", select(3, session:set(oid, 1)), oid)
        end
        session:close()
        assert.error_matches(function() session:get("1.3.6.1.2.1.1.3.0") end, "the session is closed")
    end)

    it("gives a session up with a request that was not answered", function()
        local session <close> = assert(snmp.open(host, { port = port + 1, timeout_s = 0.1, retries = 0 }))
        assert.equal("timeout", select(3, session:get("1.3.6.1.2.1.1.3.0")))
        assert.equal("closed", select(3, session:get("1.3.6.1.2.1.1.3.0")))
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

    it("leaves an agent that does not answer at once when cancelled", function()
        local power = open({ port = port + 1, timeout_s = 60 })
        local begun = job.now()
        local failure = failure_of(function()
            job.cancel(2)
            power:on()
        end)
        job.reset()
        assert.equal("cancelled", failure.class)
        assert.is_true(job.now() - begun < 10)
    end)

    -- A child that asks for the state with a user of version 3.
    local function ask(env)
        local config = ("{type='snmp', host='%s', port=%d, preset='apc', outlet=5, version='3', user='shaaes', "
            .. "auth_protocol='SHA', auth_key='auth-key-2', priv_protocol='AES', priv_key='priv-key-2'}")
            :format(host, port)
        return power_tests.use(scratch, config, "state", { env = env })
    end

    it("reads and writes nothing of the user's, and keeps no secret", function()
        scratch:sh("mkdir -p home/.snmp tmp")
        local home = scratch:file("home")
        scratch:write("home/.snmp/snmp.conf", "clientaddr 192.0.2.1\n") -- no address of ours
        assert.equal("state\toff\n", ask({ HOME = home, TMPDIR = scratch:file("tmp"),
            SNMPCONFPATH = home .. "/.snmp", SNMP_PERSISTENT_DIR = home .. "/.snmp" }))
        assert.equal(home .. "/.snmp/snmp.conf", scratches.capture(("find %s %s -type f"):format(home,
            scratch:file("tmp"))))
    end)

    it("names the package when the library is not there", function()
        scratch:sh("mkdir nothing")
        scratch:write("nothing/libnetsnmp.so.40", "")
        local said = ask({ LD_LIBRARY_PATH = scratch:file("nothing") })
        assert.equal(("host\tpower state: SNMP agent udp:%s:%d: talking to SNMP agents needs libnetsnmp.so.40, "
            .. "which is not installed: apt install libsnmp40\nhint\tnil\n"):format(host, port), said)
    end)

    local BASE = "1.3.6.1.4.1."

    local function keep(objects)
        for oid, value in pairs(objects) do
            scratch:write("object." .. BASE .. oid, value .. "\n")
        end
    end

    -- By preset: its objects before, those that on and off set, and what is read.
    local PDUS = {
        raritan = {
            objects = { ["13742.6.4.1.2.1.2.1.3"] = 0, ["13742.6.4.1.2.1.3.1.3"] = 7,
                ["13742.6.5.4.3.1.4.1.3.1"] = 420, ["13742.6.5.4.3.1.4.1.3.4"] = 230,
                ["13742.6.5.4.3.1.4.1.3.5"] = 96 },
            on = { "13742.6.4.1.2.1.2.1.3", 1 }, off = { "13742.6.4.1.2.1.2.1.3", 0 },
            state = { "13742.6.4.1.2.1.3.1.3", on = 7, off = 8 },
            reading = { amps = 0.42, volts = 230, watts = 96 },
        },
        apc = {
            objects = { ["318.1.1.12.3.3.1.1.4.3"] = 2, ["318.1.1.26.9.4.3.1.6.3"] = 4,
                ["318.1.1.26.9.4.3.1.7.3"] = 92 },
            on = { "318.1.1.12.3.3.1.1.4.3", 1 }, off = { "318.1.1.12.3.3.1.1.4.3", 2 },
            state = { "318.1.1.12.3.3.1.1.4.3", on = 1, off = 2 },
            reading = { amps = 0.4, watts = 92 },
        },
        eaton = {
            objects = { ["534.6.6.7.6.6.1.4.0.3"] = 5, ["534.6.6.7.6.6.1.3.0.3"] = 5, ["534.6.6.7.6.6.1.2.0.3"] = 0,
                ["534.6.6.7.6.3.1.2.0.3"] = 230500, ["534.6.6.7.6.4.1.3.0.3"] = 417, ["534.6.6.7.6.5.1.3.0.3"] = 96 },
            on = { "534.6.6.7.6.6.1.4.0.3", 0 }, off = { "534.6.6.7.6.6.1.3.0.3", 0 },
            state = { "534.6.6.7.6.6.1.2.0.3", on = 1, off = 0 },
            reading = { amps = 0.417, volts = 230.5, watts = 96 },
        },
        servertech = {
            outlet = "2.1.3",
            objects = { ["1718.3.2.3.1.11.2.1.3"] = 0, ["1718.3.2.3.1.5.2.1.3"] = 1, ["1718.3.2.3.1.7.2.1.3"] = 42,
                ["1718.3.2.3.1.13.2.1.3"] = 2305, ["1718.3.2.3.1.14.2.1.3"] = 96 },
            on = { "1718.3.2.3.1.11.2.1.3", 1 }, off = { "1718.3.2.3.1.11.2.1.3", 2 },
            state = { "1718.3.2.3.1.5.2.1.3", on = 1, off = 0 },
            reading = { amps = 0.42, volts = 230.5, watts = 96 },
        },
        ["servertech-pro2"] = {
            objects = { ["1718.4.1.8.5.1.2.1.1.3"] = 0, ["1718.4.1.8.3.1.1.1.1.3"] = 2, ["1718.4.1.8.3.1.3.1.1.3"] = 42,
                ["1718.4.1.8.3.1.6.1.1.3"] = 2305, ["1718.4.1.8.3.1.7.1.1.3"] = 96 },
            on = { "1718.4.1.8.5.1.2.1.1.3", 1 }, off = { "1718.4.1.8.5.1.2.1.1.3", 2 },
            state = { "1718.4.1.8.3.1.1.1.1.3", on = 1, off = 2 },
            reading = { amps = 0.42, volts = 230.5, watts = 96 },
        },
    }
    for preset, pdu in pairs(PDUS) do
        it("knows the outlets of a PDU: " .. preset, function()
            keep(pdu.objects)
            local power = open({ preset = preset, outlet = pdu.outlet or 3 })
            for _, what in ipairs({ "on", "off" }) do
                keep({ [pdu.state[1]] = pdu.state[what] })
                power[what](power)
                local oid, value = table.unpack(pdu[what])
                assert.equal(value, tonumber(scratch:read("object." .. BASE .. oid)))
            end
            local reading = power:read()
            for name, value in pairs(pdu.reading) do
                assert.near(value, reading[name], 1e-9)
            end
            assert.equal(pdu.reading.volts == nil, reading.volts == nil)
        end)
    end

    it("tells what a PDU measures, and nothing of one that does not", function()
        for _, version in ipairs({ "1", "2c" }) do
            assert.is_nil(open({ version = version }):read(), version)
        end
        keep({ ["318.1.1.26.9.4.3.1.6.5"] = -1, ["318.1.1.26.9.4.3.1.7.5"] = 0 })
        assert.same({ watts = 0 }, open():read())
        scratch:sh("rm object." .. BASE .. "318.1.1.26.9.4.3.1.*.5")
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
            local failure = failure_of(power_tests.open, case[1])
            assert.equal("config", failure.class)
            assert(failure.message:find(case[2], 1, true), failure.message)
        end
    end)
end)
