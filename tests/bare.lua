-- SPDX-License-Identifier: Apache-2.0
--
-- A program that was built without its optional libraries: each Lua module is there, and
-- says what it was built without; so does a power driver that needs it.
local config = { ykush = { "hidapi", {} }, gpio = { "libgpiod", { chip = "0", line = "1" } },
    snmp = { "net-snmp", { host = "h", preset = "apc", outlet = "1" } },
    tasmota = { "libmosquitto", { host = "h", topic = "t" } } }

for driver, case in pairs(config) do
    local library, keys = table.unpack(case)
    keys.type = driver
    local power = require("jflash.power").open(keys, { name = "bench", retry_pause_s = 0 })
    local ok, failure = pcall(power.on, power)
    assert(not ok, driver .. " works")
    assert(failure.code == "unsupported", failure.message)
    assert(failure.message:find("this jflash was built without " .. library, 1, true), failure.message)
    assert(not failure.message:find("tries", 1, true), failure.message)
end

for _, name in ipairs({ "hid", "gpio", "snmp", "mqtt" }) do
    local module = require("jflash." .. name)
    local nothing, message, code = module.anything("at", "all")
    assert(nothing == nil and code == "unsupported", name)
    assert(message:find("%(cmake %-DJFLASH_%u+=ON builds it in%)$"), message)
end
