-- SPDX-License-Identifier: Apache-2.0
local config = require("jflash.config")
local drivers = require("jflash.exporter.drivers")
local errors = require("jflash.errors")
local job = require("jflash.job")
local sys = require("jflash.sys")

local HEAD = [[
apiVersion: jumpstarter.dev/v1alpha1
kind: ExporterConfig
metadata: {namespace: lab, name: rack-7}
endpoint: grpc.lab.example.com:443
token: exporter-token-0123
export:
]]

-- As a lab has it for a TI J784S4 board: line 7 is the first behind HEAD.
local TI = HEAD .. [[
  storage:
    type: "jumpstarter_driver_flashers.driver.TIJ784S4Flasher"
    children:
      serial:
        ref: "serial"
      power:
        ref: "power"
  serial:
    type: "jumpstarter_driver_pyserial.driver.PySerial"
    config:
      url: "/dev/serial/by-id/usb-FTDI_USB__-__Serial_Converter_11-if00-port0"
      baudrate: 921600
      cps: 100
      disable_hupcl: true
      check_present: false
  power:
    type: jumpstarter_driver_shell.driver.Shell
    config:
      cwd: /opt/lab
      timeout: 20
      methods:
        "on": relay on
        "off": {command: relay off, timeout: 40}
        log: journalctl
]]

-- As for an R-Car S4 board: everything inline, servers and prompt set, in a rack.
local RCAR = HEAD .. [[
  rack:
    type: jumpstarter_driver_composite.driver.Composite
    children:
      upper:
        children:
          storage:
            type: jumpstarter_driver_flashers.driver.RCarS4Flasher
            description: R-Car S4 on the upper shelf
            config:
              flasher_bundle: registry.lab:5000/flasher/rcar:2
              manifest: manifest-renesas.yaml
              variant: r8a779f0-spider
              default_target: emmc
              tftp_dir: /srv/tftp
              http_dir: /srv/http
            children:
              serial:
                type: jumpstarter_driver_pyserial.driver.PySerial
                config: {url: "socket://ser2net.lab:4001"}
              power: {ref: rack/upper/plug}
              tftp:
                type: jumpstarter_driver_tftp.driver.Tftp
                config: {root_dir: /srv/tftp, host: 192.0.2.1, port: 6969}
              http:
                type: jumpstarter_driver_http.driver.HttpServer
                config: {host: "", port: 8080}
              uboot:
                type: jumpstarter_driver_uboot.driver.UbootConsole
                config: {prompt: "\nS4>"}
                children: {serial: {ref: serial}, power: {ref: power}}
          plug: {ref: mains}
  mains:
    type: jumpstarter_driver_shell.driver.Shell
    config: {shell: [sh, -c], methods: {"on": a, "off": b, cycle: c}}
  camera:
    type: jumpstarter_driver_ustreamer.driver.UStreamer
]]

describe("an exporter file", function()
    local dir

    local function write(text)
        local path = dir .. "/exporter.yaml"
        assert(sys.write_file(path, text))
        return path
    end

    local function board(text, name, ...)
        return config.board(name, { config = write(text), set = { ... } })
    end

    local function refused(text, name, ...)
        local ok, err = pcall(board, text, name, ...)
        assert.is_false(ok)
        assert.is_true(errors.is(err), tostring(err))
        assert.equal("config", err.class)
        return err.message, err.hint
    end

    -- The message, and where it says that the fault is.
    local function refused_at(line, text, ...)
        local message, hint = refused(text, ...)
        local start = ("%s/exporter.yaml:%d:"):format(dir, line)
        assert(message:find(start, 1, true), message .. "\nis not at line " .. line)
        return message, hint
    end

    local function replaced(text, from, to)
        local first, last = text:find(from, 1, true)
        return text:sub(1, assert(first, from) - 1) .. to .. text:sub(last + 1)
    end

    before_each(function()
        dir = assert(sys.realpath(assert(sys.temp_dir("jflash-exporter-"))))
    end)

    after_each(function()
        assert(sys.remove_tree(dir))
    end)

    it("for a J784S4 is a board, with the places of its keys", function()
        local b = board(TI)
        assert.equal("storage", b.name)
        assert.equal("TIJ784S4Flasher of rack-7", b.description)
        assert.equal("quay.io/jumpstarter-dev/jumpstarter-flasher-ti-j784s4:latest", b.bundle)
        assert.equal("manifest.yaml", b.manifest)
        assert.equal("/dev/serial/by-id/usb-FTDI_USB__-__Serial_Converter_11-if00-port0", b.console.device)
        assert.equal(921600, b.console.baudrate)
        assert.equal(100, b.console.cps)
        assert.is_true(b.console.disable_hupcl)
        assert.equal(dir .. "/exporter.yaml:17:12", b.positions["console.device"])
        assert.equal(dir .. "/exporter.yaml:8:11", b.positions.bundle)
        assert.equal("=> ", b.uboot.prompt)
        assert.equal(0, b.http.port)
        assert.same({}, b.warnings)
    end)

    it("has a shell driver's methods as power commands, run as it would", function()
        local b = board(TI)
        assert.same({
            type = "command",
            on = "cd '/opt/lab' && exec 'bash' '-c' 'relay on' 'on'",
            off = "cd '/opt/lab' && exec 'bash' '-c' 'relay off' 'off'",
            timeout_s = 40,
        }, b.power)
        assert.equal(dir .. "/exporter.yaml:28:15", b.positions["power.on"])
        b = board(replaced(TI, "/opt/lab", dir) .. "        cycle: 'printf \"%s in %s\" \"$0\" \"$PWD\" >said'\n")
        assert.equal(0, assert(sys.run({ "/bin/sh", "-c", b.power.cycle })).status)
        assert.equal("cycle in " .. dir, assert(sys.read_file(dir .. "/said")))
    end)

    it("for an R-Car S4 in a rack has names by path, references through references, servers and prompt", function()
        local b = board(RCAR)
        assert.equal("rack.upper.storage", b.name)
        assert.equal("R-Car S4 on the upper shelf", b.description)
        assert.equal("registry.lab:5000/flasher/rcar:2", b.bundle)
        assert.same({ "manifest-renesas.yaml", "r8a779f0-spider", "emmc" }, { b.manifest, b.variant, b.default_target })
        assert.equal("tcp:ser2net.lab:4001", b.console.device)
        assert.same({ "192.0.2.1", 6969 }, { b.tftp.host, b.tftp.port })
        assert.same({ "auto", 8080 }, { b.http.host, b.http.port })
        assert.equal("S4>", b.uboot.prompt)
        assert.equal("exec 'sh' '-c' 'c' 'cycle'", b.power.cycle)
    end)

    it("warns of what it does without, by line", function()
        local warnings = table.concat(board(RCAR).warnings, "\n")
        for key, line in pairs({ tftp_dir = 20, http_dir = 21, root_dir = 29 }) do
            local wanted = ("exporter%%.yaml:%d:%%d+: export%%.rack%%.[%%l.]+%%.%s: not used"):format(line, key)
            assert.is_truthy(warnings:find(wanted), key .. "\n" .. warnings)
        end
        assert.equal(3, #board(RCAR).warnings)
    end)

    it("with several flashers needs a name", function()
        local two = TI .. RCAR:sub(#HEAD + 1)
        local message, hint = refused(two)
        assert.equal("no board was named, and several are configured", message)
        assert.is_truthy(hint:find("rack.upper.storage, storage", 1, true))
        assert.equal("storage", board(two, "storage").name)
        assert.equal("tcp:ser2net.lab:4001", board(two, "rack.upper.storage").console.device)
        assert.is_truthy(refused(two, "storag"):find("did you mean 'storage'", 1, true))
    end)

    it("takes overrides, also for what jflash cannot do", function()
        local ridesx = replaced(TI, "jumpstarter_driver_shell.driver.Shell",
            "jumpstarter_driver_ridesx.driver.RideSXPowerDriver")
        ridesx = ridesx:sub(1, ridesx:find("      cwd:", 1, true) - 1) .. "      {}\n"
        local message = refused_at(23, ridesx)
        assert.is_truthy(message:find("export.power.type: jflash has no driver for jumpstarter_driver_ridesx", 1, true))
        assert.is_truthy(message:find("--set power.type=command --set 'power.on=COMMAND'", 1, true), message)
        local b = board(ridesx, nil, "power.type=command", "power.on=a", "power.off=b", "retries=0")
        assert.same({ "command", "a", "b", 0 }, { b.power.type, b.power.on, b.power.off, b.retries })
        local rfc2217 = replaced(TI, "/dev/serial/by-id/usb-FTDI_USB__-__Serial_Converter_11-if00-port0",
            "rfc2217://ser2net:4001")
        assert.equal("rfc2217:ser2net:4001", board(rfc2217).console.device)
        assert.equal("/dev/ttyUSB0", board(rfc2217, nil, "console.device=/dev/ttyUSB0").console.device)
    end)

    local function console_of(url, ...)
        return board(replaced(TI, '"/dev/serial/by-id/usb-FTDI_USB__-__Serial_Converter_11-if00-port0"',
            "'" .. url .. "'"), nil, ...).console.device
    end

    it("has pySerial's URLs as places of its own", function()
        for url, device in pairs({
            ["rfc2217://lab:4001?timeout=5&poll_modem&logging=debug"] = "rfc2217:lab:4001",
            ["RFC2217://lab:4001?ign_set_control&timeout=5"] = "rfc2217:lab:4001?ign_set_control",
            ["socket://lab:4001?logging=info"] = "tcp:lab:4001",
            ["spy:///dev/ttyUSB0?file=/tmp/log&raw"] = "/dev/ttyUSB0",
            ["spy://socket://lab:4001"] = "tcp:lab:4001",
            ["alt:///dev/ttyUSB0?class=PosixPollSerial"] = "/dev/ttyUSB0",
            ["hwgrep://0403:6001"] = "usb-id:0403:6001",
            ["hwgrep://VID:PID=10C4:EA70&skip_busy"] = "usb-id:10c4:ea70",
            ["hwgrep://VID:PID=0403:6001 SER=A100&n=1"] = "usb:A100",
            ["hwgrep://LOCATION=1-2\\.3"] = "usb-path:1-2.3",
            ["hwgrep:///dev/ttyUSB3"] = "/dev/ttyUSB3",
            ["hwgrep://FT232R USB UART"] = "/dev/serial/by-id/*FT232R_USB_UART*",
            ["hwgrep://FTDI.*A100"] = "/dev/serial/by-id/*FTDI*A100*",
        }) do
            assert.equal(device, console_of(url), url)
        end
    end)

    it("says which of pySerial's URLs it cannot have, and what to write instead", function()
        for url, wanted in pairs({
            ["hwgrep://0403:6001&n=2"] = "not the second or a later one; name the port: --set console.device=usb:",
            ["hwgrep://ttyUSB[0-3]"] = "jflash looks for ports by other means; name the port",
            ["hwgrep://.*"] = "jflash looks for ports by other means",
            ["hwgrep://x&busy"] = "pySerial has no option busy here",
            ["rfc2217://lab:4001?ign"] = "pySerial has no option ign here",
            ["socket://lab"] = "HOST:PORT is missing",
            ["loop://"] = "no board is behind it; use a tty",
            ["cp2110://1:2:3"] = "jflash cannot open 'cp2110://1:2:3'; use a tty",
            ["COM3"] = "jflash cannot open 'COM3'; use a tty",
        }) do
            local ok, failure = pcall(console_of, url)
            assert.is_false(ok, url)
            assert(failure.message:find(dir .. "/exporter.yaml:17:", 1, true), failure.message)
            assert(failure.message:find("export.serial.config.url: ", 1, true), failure.message)
            assert(failure.message:find(wanted, 1, true), failure.message)
            assert.equal("/dev/ttyS0", console_of(url, "console.device=/dev/ttyS0"))
        end
    end)

    -- The board's power, from a driver's type and config.
    local function power_of(type, keys)
        return board(HEAD .. ([[
  s:
    type: jumpstarter_driver_flashers.driver.BaseFlasher
    children:
      serial: {type: jumpstarter_driver_pyserial.driver.PySerial, config: {url: /dev/null}}
      power: {type: %s, config: %s}
]]):format(type, keys)).power
    end

    it("has the requests of HttpPower as power by HTTP", function()
        local power = power_of("jumpstarter_driver_http_power.driver.HttpPower", [[{
            power_on: {url: 'http://pdu/on?a=1', method: POST, data: x}, power_off: {url: 'http://pdu/off'},
            auth: {digest: {user: ann, password: '07'}}, power_read: {url: 'http://pdu/read', current_path: a.b}}]])
        assert.equal("http", power.type)
        assert.same({ "http://pdu/on?a=1", "POST", "x" }, { power.on.url, power.on.method, power.on.body })
        assert.equal("http://pdu/off", power.off.url)
        assert.same({ "digest", "ann", "07" }, { power.auth, power.user, power.password })
        assert.same({ "http://pdu/read", "a.b" }, { power.read.url, power.read.amps })
    end)

    it("has SNMPServer's outlets", function()
        local type = "jumpstarter_driver_snmp.driver.SNMPServer"
        local power = power_of(type, "{host: pdu, user: lab, plug: 5, auth_protocol: SHA, auth_key: '12345678'}")
        assert.same({ "snmp", "3", "raritan", "5", "lab", "SHA", "12345678" }, { power.type, power.version,
            power.preset, power.outlet, power.user, power.auth_protocol, power.auth_key })
        power = power_of(type, "{host: pdu, user: lab, plug: 5, oid: 1.3.6.1.2, timeout: 2.5}")
        assert.same({ "1.3.6.1.2.5", 1, 0, 2.5 }, { power.oid, power.on_value, power.off_value, power.timeout_s })
    end)

    it("has TasmotaPower's plug, and says which way to its broker there is", function()
        local type = "jumpstarter_driver_tasmota.driver.TasmotaPower"
        local power = power_of(type, "{host: mqtt, port: 99, cmnd_topic: c, stat_topic: s, tls: true, timeout: 3}")
        assert.same({ "tasmota", "mqtt", 99, "c", "s", true, 3 }, { power.type, power.host, power.port,
            power.cmnd_topic, power.stat_topic, power.tls, power.timeout_s })
        assert.has_error(function()
            power_of(type, "{host: mqtt, cmnd_topic: c, stat_topic: s, transport: websockets}")
        end)
    end)

    it("has Noyito's relays", function()
        local power = power_of("jumpstarter_driver_noyito_relay.driver.NoyitoPowerSerial",
            "{port: /dev/ttyUSB1, channel: 2}")
        assert.same({ "noyito-serial", "/dev/ttyUSB1", 2 }, { power.type, power.device, power.channel })
    end)

    it("has the ports of YKUSH hubs, and Noyito's HID cards", function()
        local power = power_of("jumpstarter_driver_yepkit.driver.Ykush", "{serial: YK1, port: '2', default: 'off'}")
        assert.same({ type = "ykush", serial = "YK1", port = "2" }, power)
        assert.equal("all", power_of("jumpstarter_driver_yepkit.driver.Ykush", "{}").port)
        power = power_of("jumpstarter_driver_noyito_relay.driver.NoyitoPowerHID", "{num_channels: 8, channel: 7}")
        assert.same({ "noyito-hid", 8, 7 }, { power.type, power.channels, power.channel })
    end)

    it("has GPIO lines", function()
        local type = "jumpstarter_driver_gpiod.driver.PowerSwitch"
        assert.same({ type = "gpio", chip = "/dev/gpiochip2", line = "4", active_low = true, drive = "open_drain",
            bias = "pull_up" }, power_of(type, "{device: /dev/gpiochip2, line: 4, active_low: true, "
            .. "drive: open_drain, bias: pull_up, initial_value: preserve}"))
        assert.same({ type = "gpio", chip = "gpiochip0", line = "4", active_low = false, drive = "push_pull",
            bias = "as_is" }, power_of(type, "{line: 4}"))
    end)

    it("has EnerGenie's sockets", function()
        assert.same({ type = "energenie", host = "pms", slot = 3, password = "0x1", timeout_s = 10 },
            power_of("jumpstarter_driver_energenie.driver.EnerGenie", "{host: pms, slot: 3, password: 0x1}"))
    end)

    it("says for each type that jflash cannot do what to use instead", function()
        for type, driver in pairs(drivers.known) do
            if driver.instead and driver.part == "power" then
                local text = HEAD .. ([[
  s:
    type: jumpstarter_driver_flashers.driver.BaseFlasher
    children:
      serial: {type: jumpstarter_driver_pyserial.driver.PySerial, config: {url: /dev/null}}
      power: {type: %s, config: {}}
]]):format(type)
                local message = refused_at(11, text)
                assert.is_truthy(message:find("jflash has no driver for " .. type, 1, true))
                assert.is_truthy(message:find("power", 1, true))
            end
        end
    end)

    it("names unknown types and keys with the nearest that there are", function()
        assert.is_truthy(refused_at(15, replaced(TI, "driver.PySerial", "driver.PySeral")):find(
            "(did you mean 'jumpstarter_driver_pyserial.driver.PySerial'?)", 1, true))
        assert.is_truthy(refused_at(18, replaced(TI, "baudrate", "baudrte")):find(
            "export.serial.config.baudrte: unknown key (did you mean 'baudrate'?)", 1, true))
        assert.is_truthy(refused_at(9, replaced(TI, "children", "childre")):find("did you mean 'children'", 1, true))
        assert.is_truthy(refused_at(4, replaced(TI, "endpoint", "endpont")):find("did you mean 'endpoint'", 1, true))
        assert.is_truthy(refused_at(2, replaced(TI, "ExporterConfig", "ExporterConfg")):find(
            "did you mean 'ExporterConfig'", 1, true))
        local message = refused_at(8, replaced(TI, "TIJ784S4Flasher", "TIJ784S4Flaser"))
        assert.is_truthy(message:find("there is no flasher here", 1, true))
        assert.is_truthy(message:find("did you mean 'jumpstarter_driver_flashers.driver.TIJ784S4Flasher'", 1, true))
    end)

    it("names references that lead nowhere, in a circle, or to another thing", function()
        local message = refused_at(11, replaced(TI, 'ref: "serial"', "ref: serail"))
        assert.is_truthy(message:find("'serail' leads nowhere; the parts of this file: power, serial, storage",
            1, true))
        refused_at(11, replaced(TI, 'ref: "serial"', "ref: loop") .. "  loop: {ref: loop}\n")
        message = refused_at(23, replaced(TI, 'ref: "serial"', "ref: power"))
        assert.is_truthy(message:find("Shell is a power; a console is needed here", 1, true))
        local virtual = replaced(replaced(TI, 'ref: "power"', "ref: vm.power"), "\n  power:\n    type: "
            .. "jumpstarter_driver_shell.driver.Shell\n    config:", "\n  vm:\n    type: "
            .. "jumpstarter_driver_qemu.driver.Qemu\n    config: {mem: 1G}\n    methods_description:")
        message = refused_at(23, virtual)
        assert.is_truthy(message:find("jumpstarter_driver_qemu.driver.QemuPower", 1, true))
    end)

    it("needs serial and power, and finds all that is wrong at once", function()
        local message = refused(HEAD .. [[
  storage:
    type: jumpstarter_driver_flashers.driver.BaseFlasher
    config: {manifest: ../up.yaml, cach_dir: /x}
    children:
      power:
        type: jumpstarter_driver_shell.driver.Shell
        config: {methods: {"on": a}}
]])
        for _, text in ipairs({ "a flasher needs the child 'serial'", "may leave the bundle",
            "did you mean 'cache_dir'", "it has no off" }) do
            assert.is_truthy(message:find(text, 1, true), text .. "\n" .. message)
        end
    end)

    it("whose form is wrong is read as far as it goes", function()
        local exporter = require("jflash.exporter")
        local yaml = require("jflash.yaml")
        local forms = {
            "[]", "5", "export: 5", "export: {a: 5, b: [x], c: {}, d: null}", "export: {a: {type: [x], ref: {}}}",
            "export: {a: {children: 5, config: 5, type: x}}", "token: [x]\ntls: 5\nmetadata: []\nexport: {a: {ref: .}}",
            "export: {s: {type: jumpstarter_driver_flashers.driver.BaseFlasher, config: [], children: "
                .. "{serial: 5, power: {ref: [x]}, tftp: {children: {}}, uboot: {type: 5}}}}",
            "export: {s: {type: jumpstarter_driver_flashers.driver.BaseFlasher, config: {variant: [x]}, children: "
                .. "{serial: {ref: s}, power: {type: jumpstarter_driver_shell.driver.Shell, config: {methods: []}}}}}",
        }
        for _, form in ipairs(forms) do
            local read = exporter.read(assert(yaml.parse(form, "x")), "x")
            local problems = #read.problems
            for _, found in ipairs(read.boards) do
                problems = problems + #found.problems + #found.refused
            end
            assert(problems > 0, form)
        end
        local message = refused(replaced(TI, "/dev/serial/by", "dev/serial/by") .. "  weird: 5\n")
        assert.is_truthy(message:find("export.weird: expected a map", 1, true))
    end)

    it("keeps its secrets", function()
        local secret = "pdu-password-77"
        local energenie = replaced(TI, "jumpstarter_driver_shell.driver.Shell",
            "jumpstarter_driver_energenie.driver.EnerGenie"):gsub("      cwd: .*$",
            "      password: " .. secret .. "\n") -- and no host
        local message = refused(energenie)
        assert.is_nil(message:find(secret, 1, true))
        assert.equal("[redacted] [redacted]", job.redact(secret .. " exporter-token-0123"))
        assert.is_nil(refused(replaced(TI, "exporter-token-0123", "[" .. secret .. "]")):find(secret, 1, true))
    end)

    it("says which child a mistyped one is", function()
        local child = "      uboott: {type: jumpstarter_driver_uboot.driver.UbootConsole}\n"
        local text = replaced(TI, "      power:\n", child .. "      power:\n")
        local warnings = table.concat(board(text).warnings, "\n")
        assert.truthy(warnings:find("uboott: not used: .* %(did you mean 'uboot'%?%)"), warnings)
    end)

    it("is found only by --config", function()
        local path = write(TI)
        local ok, err = pcall(config.board, nil, { files = { path } })
        assert.is_false(ok)
        assert.is_truthy(err.message:find("exporter file, which is not looked for here", 1, true))
        assert.equal("name it: --config " .. path, err.hint)
    end)

    it("of a bundle's manifest is told apart", function()
        assert.is_truthy(refused("apiVersion: jumpstarter.dev/v1alpha1\nkind: FlashBundleManifest\n"):find(
            "is a bundle's manifest, no configuration", 1, true))
    end)

    it("that others may write is refused", function()
        local path = write(TI)
        assert(sys.run({ "chmod", "666", path }))
        local ok, err = pcall(config.board, nil, { config = path })
        assert.is_false(ok)
        assert.is_truthy(err.message:find("others can write it", 1, true))
    end)
end)
