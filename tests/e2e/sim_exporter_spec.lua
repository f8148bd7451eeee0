-- SPDX-License-Identifier: Apache-2.0
--
-- The scripted board, flashed by a Jumpstarter exporter file.
local json = require("jflash.json")
local support = require("tests.e2e.support")

local FLASHER = "jumpstarter_driver_flashers.driver.BaseFlasher"
local SERIAL = "jumpstarter_driver_pyserial.driver.PySerial"

-- What no exporter file says: the board's keys for a board without a network of its own.
local OVERRIDES = {
    "tftp.host=auto-loopback", "tftp.port=0", "http.host=127.0.0.1", "retries=0",
    "uboot.interrupt_interval_s=0.02", "timeouts.power_off_wait_s=0",
}

-- An exporter file (YAML has JSON inside) whose console and bundle are the board's.
local function write_exporter(bench, power)
    local path = bench:path("exporter.yaml")
    support.write(path, "apiVersion: jumpstarter.dev/v1alpha1\nkind: ExporterConfig\nexport: " .. json.encode({
        storage = {
            type = FLASHER, config = { flasher_bundle = bench.config.bundle },
            children = { serial = { ref = "console" }, power = { ref = "plug" } },
        },
        console = { type = SERIAL, config = { url = bench.config.console.device } },
        plug = power,
    }) .. "\n")
    support.shell("chmod 600 " .. path)
    return path
end

local function run(bench, path, set)
    local args = { "--config", path, "flash", bench:image("disk.img.xz") }
    for _, override in ipairs(set) do
        table.insert(args, "--set")
        table.insert(args, override)
    end
    return bench:jflash(args)
end

describe("a flash by an exporter file", function()
    it("uses a shell driver's methods as power, and the file as it stands", function()
        local bench <close> = support.bench()
        local power = bench.config.power
        local path = write_exporter(bench, {
            type = "jumpstarter_driver_shell.driver.Shell",
            config = { methods = { on = power.on, off = { command = power.off } } },
        })
        local result = run(bench, path, OVERRIDES)
        assert.equal(0, result.status, result.stderr)
        assert.is_truthy(result.stderr:find("storage: flashed and verified", 1, true), result.stderr)
        assert.equal("flashed", bench:storage_state())
        assert.equal("off", bench.board:state())
        bench:assert_nothing_left()
    end)

    it("names what jflash cannot switch, and flashes once it is overridden", function()
        local bench <close> = support.bench()
        local path = write_exporter(bench, {
            type = "jumpstarter_driver_ridesx.driver.RideSXPowerDriver", config = {},
        })
        local result = run(bench, path, OVERRIDES)
        assert.equal(2, result.status)
        assert.is_truthy(result.stderr:find("exporter.yaml:3:", 1, true))
        assert.is_truthy(result.stderr:find("export.plug.type: jflash has no driver for", 1, true))
        assert.equal(0, #bench.board:log("power"))
        local set = table.move(OVERRIDES, 1, #OVERRIDES, 4, {
            "power.type=command", "power.on=" .. bench.config.power.on, "power.off=" .. bench.config.power.off,
        })
        result = run(bench, path, set)
        assert.equal(0, result.status, result.stderr)
        assert.equal("flashed", bench:storage_state())
        bench:assert_nothing_left()
    end)
end)
