-- SPDX-License-Identifier: Apache-2.0
local config_check = require("jflash.config_check")
local json = require("jflash.json")
local meanings = require("jflash.meanings")
local sys = require("jflash.sys")

local PROGRAM = sys.process_exe(sys.pid())
local ROOT = arg[0]:match("^(.*)tests/busted%.lua$")

local BOARDS = [[
boards:
  good:
    console: {device: /dev/ttyUSB0, baudrate: 9600}
    power: {type: command, on: relay on, off: relay off}
    login: {password: hunter2-secret}
    targets: {emmc: {path: /dev/mmcblk0, min_size: 30G}}
  bad:
    consol: {device: /dev/ttyUSB0}
    power: {type: command, onn: relay on, off: relay off}
    retries: many
]]

local EXPORTER = [[
apiVersion: jumpstarter.dev/v1alpha1
kind: ExporterConfig
metadata: {name: rack-7}
token: exporter-token-0123
export:
  storage:
    type: jumpstarter_driver_flashers.driver.RCarS4Flasher
    config: {http_dir: /srv/http}
    children:
      serial:
        type: jumpstarter_driver_pyserial.driver.PySerial
        config: {url: "socket://ser2net:4001"}
      power: {ref: plug}
  plug:
    type: jumpstarter_driver_qemu.driver.QemuPower
  camera: {type: jumpstarter_driver_ustreamer.driver.UStreamer}
]]

describe("config check", function()
    local dir

    local function write(text, name)
        local path = dir .. "/" .. (name or "jflash.yaml")
        assert(sys.write_file(path, text))
        return path
    end

    local function by_key(rows)
        local found = {}
        for _, row in ipairs(rows) do
            found[row.key] = row
        end
        return found
    end

    local function has(lines, text)
        for _, line in ipairs(lines) do
            if line:find(text, 1, true) then
                return true
            end
        end
        error(("%q is not in\n%s"):format(text, table.concat(lines, "\n")))
    end

    local function run(...)
        return assert(sys.run({ PROGRAM, "config", "check", ... }, {
            timeout_s = 20, cwd = dir, env = { HOME = dir, XDG_CONFIG_HOME = false }, output_limit_bytes = 1 << 20,
        }))
    end

    before_each(function()
        dir = assert(sys.realpath(assert(sys.temp_dir("jflash-check-"))))
    end)

    after_each(function()
        assert(sys.remove_tree(dir))
    end)

    it("explains every key of a board: value, place, meaning", function()
        local path = write(BOARDS)
        local report = config_check.report({ config = path, board = "good", set = { "retries=1" } })
        assert.equal(0, report.problems)
        local keys = by_key(report.files[1].boards[1].keys)
        assert.same({ key = "console.baudrate", value = 9600, origin = "file", where = path .. ":3:47",
            secret = false, meaning = "bits per second, 50 to 4000000" }, keys["console.baudrate"])
        assert.same({ 1, "--set" }, { keys.retries.value, keys.retries.origin })
        assert.same({ "=> ", "default" }, { keys["uboot.prompt"].value, keys["uboot.prompt"].origin })
        assert.equal(30 << 30, keys["targets.emmc.min_size"].value)
        assert.equal("refuse a smaller one", keys["targets.emmc.min_size"].meaning)
        assert.same({ "relay on", "switches the board on" }, { keys["power.on"].value, keys["power.on"].meaning })
        for key, row in pairs(keys) do
            assert(row.meaning, key .. " has no meaning")
        end
    end)

    it("lists all that is wrong at once, by line", function()
        local path = write(BOARDS)
        local report = config_check.report({ config = path })
        local problems = report.files[1].boards[2].problems
        has(problems, path .. ":8:5: boards.bad.consol: unknown key (did you mean 'console'?)")
        has(problems, path .. ":9:28: boards.bad.power.onn: unknown key (did you mean 'on'?)")
        has(problems, "boards.bad.power.on: missing key")
        has(problems, path .. ":10:14: boards.bad.retries: expected an integer")
        has(problems, "boards.bad.console: missing key")
        assert.equal(#problems, report.problems)
    end)

    it("shows how an exporter file was read", function()
        local path = write(EXPORTER, "exporter.yaml")
        local report = config_check.report({ config = path })
        local file = report.files[1]
        local board = file.boards[1]
        assert.same({ "exporter", 1 }, { file.kind, report.problems })
        local keys, mapped, top = by_key(board.keys), by_key(board.mapped), by_key(file.mapped)
        assert.same({ "tcp:ser2net:4001", "export.storage.children.serial.config.url", path .. ":12:23" },
            { keys["console.device"].value, keys["console.device"].from, keys["console.device"].where })
        assert.equal("quay.io/jumpstarter-dev/jumpstarter-flasher-rcar-s4:latest", keys.bundle.value)
        assert.equal("jumpstarter_driver_qemu.driver.QemuPower", keys["power.type"].value)
        assert.equal(path .. ":15:11", keys["power.type"].where)
        assert.equal("console.device", mapped["export.storage.children.serial.config.url"].to)
        assert.equal("unused", mapped["export.storage.config.http_dir"].state)
        assert.equal("refused", mapped["export.plug.type"].state)
        assert.equal("is export.plug", mapped["export.storage.children.power.ref"].note)
        assert.equal("no part of a flasher", top["export.camera.type"].note)
        has(board.warnings, path .. ":8:24: export.storage.config.http_dir: not used")
        report = config_check.report({ config = path, set = { "power.type=command", "power.on=a", "power.off=b" } })
        assert.equal(0, report.problems)
    end)

    it("shows no secret of an exporter file's power", function()
        local path = write((EXPORTER:gsub("jumpstarter_driver_qemu.driver.QemuPower",
            "jumpstarter_driver_snmp.driver.SNMPServer\n    config: {host: pdu, user: lab, plug: 5, "
            .. "auth_protocol: SHA, auth_key: pdu-secret-key}")), "exporter.yaml")
        local report = config_check.report({ config = path })
        assert.equal(0, report.problems)
        local board = report.files[1].boards[1]
        assert.is_true(by_key(board.mapped)["export.plug.config.auth_key"].secret)
        assert.is_true(by_key(board.keys)["power.auth_key"].secret)
        assert.is_nil(run(path, "--format", "json").stdout:find("pdu-secret-key", 1, true))
    end)

    it("explains a manifest", function()
        local report = config_check.report({ config = ROOT .. "bundles/qemu-arm64/manifest.yaml" })
        local file = report.files[1]
        assert.same({ "manifest", 0 }, { file.kind, report.problems })
        for _, row in ipairs(file.keys) do
            assert(row.meaning, row.key .. " has no meaning")
        end
        report = config_check.report({ config = write("kind: FlashBundleManifest\nspec: {bootcm: x}\n") })
        has(report.files[1].problems, "jflash.yaml:2:8: spec.bootcm: unknown key (did you mean 'bootcmd'?)")
        has(report.files[1].problems, "spec.kernel: missing key")
    end)

    it("explains a built-in board, and says what it does not find", function()
        local report = config_check.report({ board = "qemu-arm64", files = {} })
        assert.equal("built in", by_key(report.files[1].boards[1].keys)["power.type"].origin)
        report = config_check.report({ board = "qemu-arm644", files = {} })
        has(report.files[1].problems, "did you mean 'qemu-arm64'")
        report = config_check.report({ config = dir .. "/nosuch.yaml" })
        has(report.files[1].problems, "nosuch.yaml")
        report = config_check.report({ config = write("boards: [") })
        has(report.files[1].problems, "jflash.yaml:")
    end)

    it("lists a wrong driver and a wrong override as problems", function()
        local path = write("boards:\n  b: {console: {device: power}, power: {type: comand}}\n")
        has(config_check.report({ config = path }).files[1].boards[1].problems,
            path .. ":2:47: boards.b.power.type: there is no power driver 'comand' (did you mean 'command'?); "
                .. "the drivers are: " .. table.concat(require("jflash.power").types, ", "))
        has(config_check.report({ config = path, set = { "retris=1" } }).files[1].boards[1].problems,
            "--set: retris: unknown key 'retris' (did you mean 'retries'?)")
    end)

    it("ends with 0 or 2, prints for people, and never a secret", function()
        write(BOARDS)
        local result = run("--board", "good")
        assert.equal(0, result.status, result.stderr)
        assert.is_truthy(result.stdout:find("console.device: /dev/ttyUSB0  [jflash.yaml:3:23]\n        /dev/NAME",
            1, true))
        assert.is_truthy(result.stdout:find("login.password: (secret, not shown)", 1, true))
        assert.is_truthy(result.stdout:find("1 board: nothing is wrong\n", 1, true))
        assert.is_nil(result.stdout:find("hunter2", 1, true))
        result = run()
        assert.equal(2, result.status)
        assert.is_truthy(result.stderr:find("boards.bad.consol: unknown key", 1, true))
        assert.is_truthy(result.stderr:find("boards.bad.retries", 1, true))
        assert.equal(2, run("--config", "a", "b").status)
        assert(sys.remove_tree(dir .. "/jflash.yaml"))
        result = run()
        assert.equal(2, result.status)
        assert.is_truthy(result.stderr:find("there is no configuration", 1, true))
    end)

    it("tells machines one document", function()
        local path = write(EXPORTER, "exporter.yaml")
        local result = run(path, "--format", "json")
        assert.equal(2, result.status)
        assert.equal("", result.stderr)
        local document = assert(json.decode(result.stdout))
        assert.is_false(document.ok)
        local board = document.files[1].boards[1]
        local problem = board.problems[1]
        assert.same({ path, 15, 11 }, { problem.file, problem.line, problem.column })
        local device = by_key(board.keys)["console.device"]
        assert.same({ path, 12, 23, "tcp:ser2net:4001" }, { device.file, device.line, device.column, device.value })
        assert.equal(json.null, by_key(board.keys)["console.cps"].value)
        assert.is_nil(result.stdout:find("exporter-token-0123", 1, true))
    end)

    it("has the meanings of docs/configuration.md", function()
        assert.equal("leaves DTR raised when the console is closed: for boards that reset on DTR",
            meanings.of_board("console.disable_hupcl"))
        assert.equal("instead of spec.bootcmd", meanings.of_manifest("spec.dtb.variants.evm.bootcmd"))
        assert.equal("processor", meanings.of_board("power.cpu", "qemu"))
        assert.is_nil(meanings.of_board("nosuch"))
    end)
end)
