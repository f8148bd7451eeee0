-- SPDX-License-Identifier: Apache-2.0
--
-- The power drivers; the one for QEMU with a real QEMU and Debian's U-Boot.
local errors = require("jflash.errors")
local job = require("jflash.job")
local powers = require("jflash.power")
local image = require("jflash.image")
local schema = require("jflash.schema")
local sys = require("jflash.sys")

-- Runs `action`, which must raise an error object, and returns that.
local function failure_of(action, ...)
    -- As runs do: what the count hook raises gets its class there.
    local ok, failure = xpcall(action, errors.wrap, ...)
    assert.is_false(ok)
    assert.not_equal("bug", failure.class, failure.message)
    return failure
end

local function eventually(condition)
    local deadline = job.now() + 20
    while job.now() < deadline do
        if condition() then
            return true
        end
        job.sleep(0.02)
    end
    return false
end

describe("jflash.power", function()
    local dir, context, descriptors

    before_each(function()
        collectgarbage()
        descriptors = #assert(sys.list("/proc/self/fd"))
        dir = assert(sys.temp_dir("jflash-test-"))
        context = { name = "bench", retry_pause_s = 0 }
    end)

    after_each(function()
        assert(sys.remove_tree(dir))
        collectgarbage()
        assert.equal(descriptors, #assert(sys.list("/proc/self/fd")))
    end)

    describe("configuration", function()
        it("is checked key by key", function()
            local cases = {
                { { type = "nuclear" }, "power.type: there is no power driver 'nuclear'; the drivers are: " },
                { { type = "../evil" }, "power.type: there is no power driver '../evil'" },
                { { type = "comand", on = "x", off = "y" },
                    "there is no power driver 'comand' (did you mean 'command'?)" },
                { { type = "command", on = "x" }, "power.off: missing key" },
                { { type = "command", on = "x", off = "y", onn = "z" }, "power.onn: unknown key (did you mean 'on'?)" },
                { { type = "command", on = {}, off = "y" }, "power.on: expected text that is not empty, found a map" },
                { { type = "manual", timeout_s = "soon" }, "power.timeout_s: expected a duration" },
                { { type = "qemu", drive_size = "big" }, "power.drive_size: expected a size" },
                { { type = "qemu", card_size = 3000 }, "power.card_size: an SD card has a power of two" },
                { { type = "qemu", memory_mb = 1.5 }, "power.memory_mb: expected an integer" },
                { { type = "qemu", extra_args = { {} } }, "power.extra_args[1]: expected text, found a map" },
            }
            for _, case in ipairs(cases) do
                local failure = failure_of(powers.open, case[1], context)
                assert.equal("config", failure.class)
                assert(failure.message:find("board bench: " .. case[2], 1, true)
                    or failure.message:find(case[2], 1, true), failure.message)
            end
        end)

        it("gives the same when what it gave is read again", function()
            local config = { type = "qemu", dir = "/tmp/x", drive_size = "64M", extra_args = { "-smp", "2" } }
            local options = { name = "bench", path = "power" }
            local once = schema.read_value(config, powers.schema(), options)
            assert.equal(64 << 20, once.drive_size)
            assert.same({ "-smp", "2" }, once.extra_args)
            assert.same(once, (schema.read_value(once, powers.schema(), options)))
        end)

        it("refuses a folder whose sockets' names would be too long", function()
            local config = { type = "qemu", dir = "/tmp/" .. ("x"):rep(100), drive = "d" }
            local failure = failure_of(powers.open, config, context)
            assert.equal("config", failure.class)
            assert.truthy(failure.message:find("105 bytes, 94 are possible", 1, true))
        end)

        it("every driver says in a line what it is", function()
            for _, name in ipairs(powers.types) do
                local driver = powers.driver(name)
                assert.equal("record", driver.schema.kind, name)
                assert.truthy(driver.summary:find("^%C+$"), name)
            end
        end)

        it("tells when no console comes from the power device", function()
            local power = powers.open({ type = "manual" }, context)
            local failure = failure_of(power.console_address, power)
            assert.equal("config", failure.class)
        end)
    end)

    describe("command", function()
        local function open(config)
            config.type = "command"
            config.on = config.on or "echo on $JFLASH_BOARD >>" .. dir .. "/log"
            config.off = config.off or "echo off $JFLASH_BOARD >>" .. dir .. "/log"
            return powers.open(config, context)
        end

        local function log()
            return sys.read_file(dir .. "/log")
        end

        it("runs the commands with the board's name", function()
            local power = open({})
            power:on()
            power:off()
            assert.equal("on bench\noff bench\n", log())
            assert.is_nil(power:state())
            assert.is_nil(power:read())
            assert.is_false(power.console_moves)
        end)

        it("cycles with a call before the power comes", function()
            local power = open({})
            local before = job.now()
            power:cycle(0.05, function()
                assert.equal("off bench\n", log())
            end)
            assert.is_true(job.now() - before >= 0.05)
            assert.equal("off bench\non bench\n", log())
        end)

        it("uses a command for the whole cycle when there is one", function()
            local power = open({ cycle = "echo cycle $JFLASH_WAIT_S >>" .. dir .. "/log" })
            power:cycle(1.5, function()
                assert.is_nil(log())
            end)
            assert.equal("cycle 1.5\n", log())
        end)

        it("reads state and measurements", function()
            local power = open({ state = "echo ' ON'", read = "echo 'volts=12.1 amps: -0.5'; echo '{\"watts\": 6}'" })
            assert.equal("on", power:state())
            assert.same({ volts = 12.1, amps = -0.5, watts = 6 }, power:read())
            power = open({ state = "echo perhaps", read = "echo nothing" })
            assert.equal('power state: command "echo perhaps" printed neither on nor off: "perhaps"',
                failure_of(power.state, power).message)
            assert.equal("protocol", failure_of(power.read, power).code)
        end)

        it("tries three times, then says what the command said", function()
            local warned = 0
            context.warn = function()
                warned = warned + 1
            end
            local command = "echo try >>" .. dir .. "/log; echo 'relay: no answer' >&2; exit 3"
            local power = open({ on = command })
            local failure = failure_of(power.on, power)
            assert.equal("try\ntry\ntry\n", log())
            assert.equal(2, warned)
            assert.equal("host", failure.class)
            assert.equal(("power on: command %q ended with status 3: relay: no answer (3 tries)"):format(command),
                failure.message)
        end)

        it("asks for the state after each switch, and believes nothing else", function()
            local asked = "echo asked >>" .. dir .. "/asked; cat " .. dir .. "/state"
            context.settle_s = 0.05
            local power = open({
                on = "echo on >" .. dir .. "/state",
                off = "echo try >>" .. dir .. "/log", -- a relay that sticks
                state = asked,
            })
            power:on()
            local failure = failure_of(power.off, power)
            assert.equal("host", failure.class)
            assert.equal("power off: it was switched off, and says that it is on (3 tries)", failure.message)
            assert.equal("try\ntry\ntry\n", log())
        end)

        it("gives a slow relay its time", function()
            local power = open({
                off = "echo off >" .. dir .. "/next",
                state = ("cat %s/state 2>/dev/null || echo on; cp %s/next %s/state"):format(dir, dir, dir),
            })
            power:off()
            assert.equal("off\n", sys.read_file(dir .. "/state"))
        end)

        it("is content with the second try", function()
            local power = open({ off = "test -e " .. dir .. "/second || { touch " .. dir .. "/second; exit 1; }" })
            power:off()
        end)

        it("kills a command at its deadline", function()
            local power = open({ on = "echo try >>" .. dir .. "/log; sleep 100", timeout_s = 0.05 })
            local failure = failure_of(power.on, power)
            assert.equal("timeout", failure.code)
            assert.equal("host", failure.class)
            assert.truthy(failure.message:find("did not end within 0.05 s and was killed (3 tries)", 1, true))
        end)

        it("does not try again once the run is cancelled", function()
            local power = open({ on = "echo try >>" .. dir .. "/log; sleep 100" })
            -- A cancelled job may be stopped between any two instructions.
            local failure = failure_of(function()
                job.cancel(2)
                power:on()
            end)
            job.reset()
            assert.equal("cancelled", failure.class)
        end)
    end)

    describe("manual", function()
        local script = [[
            local powers = require("jflash.power")
            local ok, failure = pcall(function()
                powers.open({ type = "manual", timeout_s = 20 }, { name = "bench" }):cycle(0)
            end)
            print(ok and "cycled" or failure.class .. ": " .. failure.message)
        ]]

        local function child(command)
            assert(sys.write_file(dir .. "/manual.lua", script))
            local program = sys.process_exe(sys.pid())
            local full = command:gsub("JFLASH", program .. " run " .. dir .. "/manual.lua")
            return assert(sys.run({ "sh", "-c", full }))
        end

        it("asks at the terminal and waits for Enter", function()
            local result = child([[printf 'x\n\n' | script -qec "JFLASH" /dev/null]])
            local shown = result.stdout
            local off = shown:find("Board bench: switch the power OFF, then press Enter: ", 1, true)
            local on = shown:find("Board bench: switch the power ON, then press Enter: ", 1, true)
            assert.is_true(off < on)
            assert.truthy(shown:find("cycled", on, true))
        end)

        it("fails when nobody confirms", function()
            local result = child([[script -qec "JFLASH" /dev/null </dev/null]])
            assert.truthy(result.stdout:find("host: power off: nobody confirmed it: ", 1, true))
        end)

        it("fails without a terminal", function()
            for _, redirection in ipairs({ "</dev/null", "<&-" }) do
                local result = child("JFLASH " .. redirection)
                assert.equal("host: power off: board bench is switched by hand, "
                    .. "and there is no terminal to ask at\n", result.stdout)
            end
        end)
    end)

    describe("qemu", function()
        local opened

        local function open(config)
            config = config or {}
            config.type = "qemu"
            config.dir = config.dir or dir .. "/run"
            config.drive = config.drive or dir .. "/disk.img"
            config.drive_size = config.drive_size or "64M"
            local power = powers.open(config, context)
            table.insert(opened, power)
            return power
        end

        local function connect(power)
            return assert(sys.connect_unix(power:console_address():match("^unix:(.*)$")))
        end

        -- Reads what the board says up to a line that has `text`.
        local function expect(console, text)
            local line
            repeat
                line = assert(console:read_line({ timeout_s = 30 }))
            until line:find(text, 1, true)
        end

        before_each(function()
            opened = {}
        end)

        after_each(function()
            for _, power in ipairs(opened) do
                power:off()
            end
        end)

        it("boots U-Boot after the console was connected, and is gone after off", function()
            local power = open()
            assert.equal("off", power:state())
            assert.is_true(power.console_moves)
            power:prepare()
            assert.equal("on", power:state())
            assert.equal(64 << 20, sys.stat(dir .. "/disk.img").size)
            do
                local console <close> = connect(power)
                power:on()
                expect(console, "U-Boot 20")
                power:on() -- runs already
            end
            local pid = require("jflash.json").decode(assert(sys.read_file(dir .. "/run/state.json"))).pid
            power:off()
            assert.equal("off", power:state())
            assert.is_nil(sys.process_start(pid))
            assert.same({ "lock", "qemu.log" }, sys.list(dir .. "/run"))
            power:off() -- is off already
        end)

        it("cycles: the console is connected anew before the board says a word", function()
            local power = open()
            power:on()
            local connected
            power:cycle(0, function()
                connected = connect(power)
            end)
            local console <close> = connected
            expect(console, "U-Boot 20")
            assert.equal("on", power:state())
        end)

        it("outlives the command, and the next one takes it over", function()
            assert(sys.write_file(dir .. "/child.lua", ([[
                require("jflash.power").open({ type = "qemu", dir = %q, drive = %q, drive_size = "64M" },
                    { name = "bench" }):prepare()
                require("jflash.sys").kill(require("jflash.sys").pid(), "KILL")
            ]]):format(dir .. "/run", dir .. "/disk.img")))
            local result = assert(sys.run({ sys.process_exe(sys.pid()), "run", dir .. "/child.lua" }))
            assert.equal(9, result.signal)
            local power = open()
            assert.equal("on", power:state())
            local console <close> = connect(power)
            power:on()
            expect(console, "U-Boot 20")
        end)

        it("finds a machine that was not recorded", function()
            local power = open()
            power:prepare()
            assert(sys.remove(dir .. "/run/state.json"))
            assert.equal("on", power:state())
            power:off()
            assert.equal("off", power:state())
        end)

        it("kills nothing but its own QEMU", function()
            local victim <close> = assert(sys.spawn({ "sleep", "100" }))
            local power = open()
            assert(sys.mkdir(dir .. "/run"))
            local start_ticks = sys.process_start(victim:pid())
            for _, ticks in ipairs({ start_ticks, start_ticks + 1 }) do
                assert(sys.write_file(dir .. "/run/state.json",
                    ('{"pid": %d, "start_ticks": %d}'):format(victim:pid(), ticks)))
                assert.equal("off", power:state())
                power:off()
                assert.is_true(victim:alive())
            end
            for _, text in ipairs({ "", "no json", "[]", '{"pid": -1}', '{"pid": "1"}' }) do
                assert(sys.write_file(dir .. "/run/state.json", text))
                assert.equal("off", power:state())
            end
        end)

        it("notices that the machine ended by itself", function()
            local power = open()
            power:prepare()
            local qmp <close> = require("jflash.power.qmp").connect(dir .. "/run/qmp.sock")
            qmp:execute("quit")
            assert.is_true(eventually(function()
                return power:state() == "off"
            end))
            power:on()
            assert.equal("on", power:state())
        end)

        it("says who has the drive", function()
            local power = open()
            power:prepare()
            local second = open({ dir = dir .. "/second" })
            local failure = failure_of(second.on, second)
            assert.equal("host", failure.class)
            assert.truthy(failure.message:find('Failed to get "write" lock', 1, true))
            assert.truthy(failure.hint:find("another QEMU", 1, true))
            assert.equal("off", second:state())
        end)

        it("runs with an SD card, and with commas in names", function()
            local power = open({
                dir = dir .. "/a,b",
                drive = dir .. "/c,d.img",
                card = dir .. "/card,.img",
                card_size = "32M",
            })
            power:on()
            assert.equal("on", power:state())
            assert.equal(32 << 20, sys.stat(dir .. "/card,.img").size)
        end)

        it("refuses a drive that is no plain file", function()
            for _, path in ipairs({ "/dev/null", dir }) do
                local power = open({ drive = path })
                local failure = failure_of(power.on, power)
                assert.equal("config", failure.class)
                assert.truthy(failure.message:find("is no plain file but a ", 1, true))
            end
            assert(sys.make_sparse(dir .. "/card.img", 3 << 20))
            local power = open({ card = dir .. "/card.img" })
            assert.truthy(failure_of(power.on, power).message:find("power of two", 1, true))
        end)

        it("names the package of what is missing, and does not try again", function()
            local power = open({ binary = "jflash-no-such-qemu-system-aarch64" })
            local failure = failure_of(power.on, power)
            assert.equal("host", failure.class)
            local expected = "power on: jflash-no-such-qemu-system-aarch64: command not found"
            assert.truthy(failure.message:find(expected, 1, true))
            assert.equal("apt install qemu-system-arm", failure.hint)
            power = open({ bios = "/usr/lib/u-boot/no_such_board/u-boot.bin" })
            failure = failure_of(power.on, power)
            assert.equal("host", failure.class)
            assert.equal("apt install u-boot-qemu", failure.hint)
        end)

        it("shows what QEMU said when it ends at once", function()
            local power = open({ machine = "no-such-machine" })
            local failure = failure_of(power.on, power)
            assert.equal("host", failure.class)
            assert.truthy(failure.message:find("unsupported machine type", 1, true))
            assert.is_nil(sys.stat(dir .. "/run/state.json"))
        end)

        it("refuses a state folder that others can write to", function()
            assert(sys.mkdir(dir .. "/run", { mode = 0x1c0 }))
            assert(sys.run({ "chmod", "777", dir .. "/run" }))
            local power = open()
            local failure = failure_of(power.on, power)
            assert.equal("host", failure.class)
            assert.equal("unsafe", failure.code)
            assert(sys.run({ "chmod", "700", dir .. "/run" }))
        end)

        it("keeps its state in the user's runtime folder, else in /tmp", function()
            assert(sys.write_file(dir .. "/child.lua", [[
                local config = { type = "qemu", drive = "~/disk.img" }
                local power = require("jflash.power").open(config, { name = "../a b" })
                print(power:console_address(), power.device.machine.drive, power:state())
            ]]))
            local function child(runtime_dir)
                local result = assert(sys.run({ sys.process_exe(sys.pid()), "run", dir .. "/child.lua" }, {
                    env = { XDG_RUNTIME_DIR = runtime_dir, HOME = "/home/x" },
                }))
                return result.stdout
            end
            -- A drive that is named makes a machine of its own.
            local id = "_._a_b-" .. image.sha256("/home/x/disk.img"):sub(1, 8)
            local name = "jflash/" .. id .. "/console.sock\t/home/x/disk.img\toff\n"
            assert.equal(("unix:%s/%s"):format(dir, name), child(dir))
            local fallback = ("unix:/tmp/%s"):format(name:gsub("jflash", "jflash-" .. sys.uid()))
            assert.equal(fallback, child(false))
            assert.equal(fallback, child("relative"))
            assert(sys.run({ "chmod", "755", dir }))
            assert.equal(fallback, child(dir))
        end)

        it("leaves nothing running when it is cancelled while it starts", function()
            local power = open()
            -- A cancelled job may be stopped between any two instructions.
            local failure = failure_of(function()
                job.cancel(2)
                power:on()
            end)
            job.reset()
            assert.equal("cancelled", failure.class)
            assert.equal("off", power:state())
            assert.is_nil(sys.stat(dir .. "/run/state.json"))
        end)
    end)
end)
