-- SPDX-License-Identifier: Apache-2.0
local config = require("jflash.config")
local errors = require("jflash.errors")
local json = require("jflash.json")
local references = require("jflash.oci.reference")
local sys = require("jflash.sys")

local SMALL = "boards: {%s: {description: %s, console: {device: /dev/null}}}\n"

local function refused(...)
    local ok, err = pcall(config.board, ...)
    assert.is_false(ok)
    assert.is_true(errors.is(err), tostring(err))
    assert.equal("config", err.class)
    return err.message, err.hint
end

describe("jflash.config", function()
    local dir, file

    local function write(text, name)
        local path = dir .. "/" .. (name or "jflash.yaml")
        assert(sys.write_file(path, text))
        return path
    end

    local function board(text, ...)
        return config.board("b", { config = write("boards:\n  b: {" .. text .. "}\n"), set = { ... } })
    end

    before_each(function()
        dir = assert(sys.realpath(assert(sys.temp_dir("jflash-config-"))))
        file = dir .. "/jflash.yaml"
    end)

    after_each(function()
        assert(sys.remove_tree(dir))
    end)

    it("fills in the defaults", function()
        local b = board("console: {device: /dev/ttyUSB0}")
        assert.equal("b", b.name)
        assert.equal(file, b.source)
        assert.same({ file }, b.files)
        assert.same({}, b.warnings)
        assert.equal(file .. ":2:25", b.positions["console.device"])
        assert.equal(115200, b.console.baudrate)
        assert.same({ type = "manual", timeout_s = 600 }, b.power)
        assert.equal("manifest.yaml", b.manifest)
        assert.equal("=> ", b.uboot.prompt)
        assert.equal("\27", b.uboot.interrupt_key)
        assert.equal(69, b.tftp.port)
        assert.equal(16, b.tftp.windowsize)
        assert.equal("dhcp", b.network.method)
        assert.equal("udhcpc", b.flasher.network)
        assert.equal(3, b.retries)
        assert.is_false(b.console.disable_hupcl)
        assert.same({}, b.targets)
        assert.same({}, b.login)
        assert.equal(2.0, b.timeouts.power_off_wait_s)
        assert.is_nil(b.bundle)
    end)

    it("reads power by the keys of its driver", function()
        local b = board("console: {device: power}, power: {type: command, on: relay 1, 'off': 08, timeout_s: 2min}")
        assert.same({ type = "command", on = "relay 1", off = "08", timeout_s = 120 }, b.power)
        b = board("console: {device: power}, power: {type: qemu}", "power.extra_args=[-smp, 2]", "power.drive=null")
        assert.same({ "-smp", "2" }, b.power.extra_args)
        assert.equal("null", b.power.drive)
        b = board("console: {device: power}", "power.type=manual", "power.timeout_s=5")
        assert.equal(5, b.power.timeout_s)
    end)

    it("resolves paths against the file's folder", function()
        local paths = "bundle: bundles/x, recipe: ./r.lua"
        local b = board("console: {device: power}, " .. paths)
        assert.equal(dir .. "/bundles/x", b.bundle)
        assert.equal(dir .. "/r.lua", b.recipe)
        b = board("console: {device: power}, bundle: /b, recipe: ../r.lua")
        assert.equal("/b", b.bundle)
        assert.equal(dir .. "/../r.lua", b.recipe)
        b = board("console: {device: power}, bundle: quay.io/x/y:latest", "recipe=./mine.lua")
        assert.equal("quay.io/x/y:latest", b.bundle)
        assert.equal(sys.cwd() .. "/mine.lua", b.recipe)
    end)

    it("leaves names that are looked up elsewhere", function()
        local b = board("console: {device: power}, bundle: qemu-arm64, recipe: flash.lua")
        assert.equal("qemu-arm64", b.bundle)
        assert.equal("flash.lua", b.recipe)
        assert(sys.write_file(dir .. "/flash.lua", "return 1"))
        b = board("console: {device: power}, recipe: flash.lua")
        assert.equal(dir .. "/flash.lua", b.recipe)
    end)

    it("tells a reference from a path", function()
        local cases = {
            { "oci://localhost/x", true },
            { "quay.io/org/name:tag", true },
            { "localhost:5000/x", true },
            { "localhost/x", true },
            { "bundles/x", false },
            { "./quay.io/x", false },
            { "../x", false },
            { "~/x", false },
            { "/a.b/c", false },
            { "x", false },
            { "x.d", false },
        }
        for _, case in ipairs(cases) do
            assert.equal(case[2], references.is_one(case[1]), case[1])
        end
    end)

    it("says what is wrong, and where", function()
        local cases = {
            { "consol: {device: power}", "boards.b.consol: unknown key (did you mean 'console'?)" },
            { "description: x", "boards.b.console: missing key" },
            { "console: {baudrate: 9600}", "boards.b.console.device: missing key" },
            {
                "console: {device: ttyS0}",
                "boards.b.console.device: 'ttyS0' is none of power, /dev/NAME, unix:PATH, tcp:HOST:PORT",
            },
            { "console: {device: 'tcp:host'}", "boards.b.console.device: 'tcp:host' is none of" },
            { "console: {device: power, baudrate: fast}", "boards.b.console.baudrate: expected an integer" },
            {
                "console: {device: power}, tftp: {host: any}",
                "boards.b.tftp.host: 'any' is neither an IPv4 address nor auto",
            },
            {
                "console: {device: power}, tftp: {board_host: 1.2.3}",
                "boards.b.tftp.board_host: '1.2.3' is no IPv4 address",
            },
            {
                "console: {device: power}, tftp: {port: 65536}",
                "boards.b.tftp.port: expected an integer from 0 to 65535",
            },
            {
                "console: {device: power}, network: {method: static}",
                "boards.b.network.method: method static needs the key 'ipaddr'",
            },
            { "console: {device: power}, targets: {usd: {min_size: 1G}}", "boards.b.targets.usd.path: missing key" },
            {
                "console: {device: power}, targets: {usd: {path: vda}}",
                "boards.b.targets.usd.path: 'vda' is neither a device",
            },
            {
                "console: {device: power}, targets: {usd: {path: /dev/a, min_size: 2G, max_size: 1G}}",
                "boards.b.targets.usd.min_size: min_size is larger than max_size",
            },
            {
                "console: {device: power}, flasher: {network: static}",
                "boards.b.flasher: static needs the key 'network.ipaddr'",
            },
            { "console: {device: power}, manifest: ../m.yaml", "boards.b.manifest: '../m.yaml' may leave the bundle" },
            { "console: {device: power}, timeouts: {boot_s: soon}", "boards.b.timeouts.boot_s: expected a duration" },
            { "console: {device: power}, power: relay", "boards.b.power: expected a map, found 'relay'" },
        }
        for _, case in ipairs(cases) do
            local message = refused("b", { config = write("boards:\n  b: {" .. case[1] .. "}\n") })
            assert.truthy(message:find(case[2], 1, true), message)
            assert.truthy(message:find(file .. ":2:", 1, true), message)
        end
    end)

    it("refuses what is no configuration", function()
        local cases = {
            { "board: {}", ":1:1: board: unknown key (did you mean 'boards'?)" },
            { "boards: []", ":1:9: boards: expected a map, found a list" },
            { "- a", ":1:1: expected a map, found a list" },
            { "boards: {'../x': {}}", "boards: '../x' is no name" },
            { "boards: {a: {}, a: {}}", ":1:17: mapping key 'a' appears twice" },
            { "boards: {", "did not find" },
            { "boards: {b: 3}", "boards.b: expected a map, found '3'" },
        }
        for _, case in ipairs(cases) do
            local message = refused("b", { config = write(case[1]) })
            assert.truthy(message:find(case[2], 1, true), message)
        end
        assert.truthy(refused("b", { config = dir .. "/nope.yaml" }):find("nope.yaml", 1, true))
        assert.truthy(refused("b", { config = dir }):find("not a regular file", 1, true))
        for _, empty in ipairs({ "", "# nothing\n", "boards:\n", "{}" }) do
            assert.is_true(#config.boards({ config = write(empty) }) > 0)
        end
    end)

    it("lets --set change any key, by the same rules", function()
        local b = board(
            "console: {device: power}, power: {type: qemu}, login: ~",
            "power.drive=/x/disk.img",
            "power.memory_mb=512",
            "console.baudrate=9600",
            "login.password=null",
            "uboot.prompt==>",
            "targets.usd={path: /dev/sda, min_size: 1G}",
            "targets.emmc.path=/dev/mmcblk0",
            "timeouts.boot_s=2min",
            "variant=a",
            "variant=b"
        )
        assert.same({ "qemu", "/x/disk.img", 512 }, { b.power.type, b.power.drive, b.power.memory_mb })
        assert.equal(9600, b.console.baudrate)
        assert.same({ password = "null" }, b.login)
        assert.equal("=>", b.uboot.prompt)
        assert.same({ usd = { path = "/dev/sda", min_size = 1 << 30 }, emmc = { path = "/dev/mmcblk0" } }, b.targets)
        assert.equal(120.0, b.timeouts.boot_s)
        assert.equal("b", b.variant)
        assert.equal("--set", b.positions["power.drive"])
    end)

    it("lets --set give what the file lacks", function()
        assert.equal("/dev/ttyS0", board("description: x", "console.device=/dev/ttyS0").console.device)
    end)

    it("refuses a wrong --set", function()
        local cases = {
            { "powr.drive=/x", "--set: powr.drive: unknown key 'powr' (did you mean 'power'?)" },
            { "console.baud=1", "--set: console.baud: unknown key 'baud'" },
            {
                "console.baudrate=x",
                "--set: boards.b.console.baudrate: expected an integer from 50 to 4000000, found 'x'",
            },
            { "console.device.x=1", "--set: console.device.x: a string has no key 'x'" },
            { "power.type.x=1", "--set: power.type.x: a string has no key 'x'" },
            { "power.on.x=1", "--set: power.on.x: a string has no key 'x'" },
            { "console", "--set: 'console' is not KEY=VALUE" },
            { "=x", "--set: '=x' is not KEY=VALUE" },
            { ".a=x", "--set: .a: a part of the key is empty" },
            { "power..a=x", "--set: power..a: a part of the key is empty" },
            { "targets=[", "--set targets:" },
            { "targets={usd: {pth: /x}}", "--set: boards.b.targets.usd.pth: unknown key (did you mean 'path'?)" },
            {
                "console.disable_hupcl=perhaps",
                "--set: boards.b.console.disable_hupcl: expected true or false, found 'perhaps'",
            },
            {
                "console={device: /dev/ttyS0, flow: rtscts, cts: ignore}",
                "--set: boards.b.console.cts: ignore contradicts the key 'flow', rtscts, which means cts: flow_control",
            },
            {
                "console={device: /dev/ttyS0, flow: xonxoff, xon_xoff: in}",
                "--set: boards.b.console.xon_xoff: in contradicts the key 'flow', xonxoff, which means xon_xoff: inout",
            },
            {
                "console={device: /dev/ttyS0, flow: dtrdsr, dtr: off}",
                "--set: boards.b.console.dtr: off contradicts the key 'flow', dtrdsr, which means dtr: flow_control",
            },
        }
        local path = write('boards: {b: {console: {device: power}, power: {type: command, on: x, "off": y}}}')
        for _, case in ipairs(cases) do
            local message = refused("b", { config = path, set = { case[1] } })
            assert.equal(case[2], message:sub(1, #case[2]))
        end
    end)

    it("reads all files, the first that has a board wins", function()
        local first = write(SMALL:format("one", "first"), "1.yaml")
        local second = write(SMALL:format("one", "second") .. "  \n", "2.yaml")
        local third = write(SMALL:format("qemu-arm64", "mine"), "3.yaml")
        local options = { files = { first, dir .. "/missing.yaml", second, first, third } }
        local list, files = config.boards(options)
        assert.equal("built in", list[2].source)
        table.remove(list, 2) -- qemu-arm
        assert.same({
            { name = "one", description = "first", source = first },
            { name = "qemu-arm64", description = "mine", source = third },
        }, list)
        assert.same({ first, second, third }, files)
        assert.equal("mine", config.board("qemu-arm64", options).description)
    end)

    it("needs no name when the user has configured one board", function()
        local one = write(SMALL:format("one", "x"), "1.yaml")
        local two = write(SMALL:format("two", "x"), "2.yaml")
        assert.equal("one", config.board(nil, { files = { one } }).name)
        local message, hint = refused(nil, { files = { one, two } })
        assert.equal("no board was named, and several are configured", message)
        assert.equal("boards: one, qemu-arm, qemu-arm64, two", hint)
        message, hint = refused(nil, { files = {} })
        assert.equal("no board was named, and no jflash.yaml configures one", message)
        assert.equal("boards: qemu-arm, qemu-arm64", hint)
        message = refused("qemu-amr64", { files = {} })
        assert.equal("no board 'qemu-amr64' (did you mean 'qemu-arm64'?)", message)
    end)

    it("refuses a file that others can write", function()
        write(SMALL:format("one", "x"))
        assert(os.execute("chmod g+w " .. file))
        local message, hint = refused("one", { config = file })
        assert.equal(file .. ": refused, since others can write it (mode 620)", message)
        assert.equal("after reading it: chmod go-w " .. file, hint)
        assert(os.execute("chmod 602 " .. file))
        refused("one", { files = { file } })
        assert(os.execute("chmod 644 " .. file))
        assert.equal("one", config.board("one", { config = file }).name)
    end)

    it("refuses a file that belongs to another user", function()
        if sys.uid() ~= 0 then
            pending("only root can give a file away")
            return
        end
        write(SMALL:format("one", "x"))
        assert(os.execute("chown 65534 " .. file))
        local message, hint = refused("one", { config = file })
        assert.equal(file .. ": refused, since it belongs to nobody", message)
        assert.equal("after reading it: chown root " .. file, hint)
    end)

    it("looks in the working directory, the user's folder and /etc", function()
        assert(sys.mkdir(dir .. "/home/.config/jflash"))
        assert(sys.mkdir(dir .. "/xdg/jflash"))
        assert(sys.mkdir(dir .. "/work"))
        write(SMALL:format("here", "x"), "work/jflash.yaml")
        write(SMALL:format("home", "x"), "home/.config/jflash/jflash.yaml")
        write(SMALL:format("xdg", "x"), "xdg/jflash/jflash.yaml")
        local script = write([[
            local config = require("jflash.config")
            print(require("jflash.json").encode({ config.search_files(), select(2, config.boards()) }))
        ]], "script.lua")
        local function search(environment)
            local command = ("cd %s/work && env -u XDG_CONFIG_HOME HOME=%s/home %s %s run %s"):format(
                dir, dir, environment, sys.realpath("/proc/self/exe"), script)
            local pipe <close> = assert(io.popen(command))
            return table.unpack(assert(json.decode(pipe:read("a"))))
        end
        local places, found = search("")
        local own = dir .. "/home/.config/jflash/jflash.yaml"
        assert.same({ "jflash.yaml", own, "/etc/jflash/jflash.yaml" }, places)
        assert.same({ "jflash.yaml", own }, { found[1], found[2] })
        places = search(("XDG_CONFIG_HOME=%s/xdg"):format(dir))
        assert.equal(dir .. "/xdg/jflash/jflash.yaml", places[2])
        places = search("XDG_CONFIG_HOME=relative")
        assert.equal(own, places[2])
    end)

    it("has the virtual board built in", function()
        local b = config.board("qemu-arm64", { files = {}, set = { "power.drive=/x" } })
        assert.equal("built in", b.source)
        assert.equal("power", b.console.device)
        assert.equal("qemu", b.power.type)
        assert.equal("/x", b.power.drive)
        assert.equal("auto-loopback", b.tftp.host)
        assert.equal("10.0.2.2", b.http.board_host)
        assert.is_false(b.uboot.tftpdstp)
    end)
end)
