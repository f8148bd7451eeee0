-- SPDX-License-Identifier: Apache-2.0
--
-- How fast is typed: what a board bears is found out, and the next run knows it.
local support = require("tests.e2e.support")
local sys = require("jflash.sys")

local FILE = ".local/state/jflash/boards/sim/pace.json"

-- A UART without flow control whose FIFO is emptied too slowly for a whole line at once.
local function slow_uart(place)
    return { kind = "overrun", bytes = 40, bytes_per_s = 3000, at = place }
end

-- How often a run typed something again.
local function resends(result)
    local _, count = result.stderr:gsub("typing it again slower", "%0")
    return count
end

local function command(bench, kind, words)
    local result = bench:jflash({ kind, "--board", "sim", "--run-dir", bench:path(kind), "--", words })
    assert.equal(0, result.status, result.stderr)
    return result
end

-- What was typed, by a transcript.
local function typed(record)
    local pieces = {}
    for piece in record:gmatch("%d+%.%d+ > ([^\n]*)") do
        table.insert(pieces, piece)
    end
    return table.concat(pieces)
end

local function logins(bench)
    local users = {}
    for _, entry in ipairs(bench.board:log("login")) do
        table.insert(users, entry.user)
    end
    return users
end

describe("a board that loses what is typed too fast", function()
    it("is flashed; its pace is kept, and the next run starts with it", function()
        local bench <close> = support.bench({ faults = { slow_uart() } })
        local first = bench:flash({ bench:image("disk.img") })
        bench:assert_result(first, { status = 0, cycles = 1, storage = "flashed" })
        assert.falsy(first.stderr:find("as learned", 1, true), first.stderr)
        assert.is_true(resends(first) > 1, first.stderr)
        local cps = support.read(bench:path(FILE)):match('"cps": ?(%d+)')
        assert.equal("sim\n", support.shell(("ls '%s/.local/state/jflash/boards'"):format(bench.dir)))
        local second = command(bench, "bootloader-shell", "version")
        assert.truthy(second.stderr:find(("typing starts at %s characters per second"):format(cps), 1, true),
            second.stderr)
        assert.is_true(resends(second) < resends(first), second.stderr)
    end)

    it("gets its login typed again, slower", function()
        local name = ("flasher-"):rep(8)
        local bench <close> = support.bench({ user = name, faults = { slow_uart("login"), slow_uart("shell") } },
            { login = { username = name } })
        local result = command(bench, "busybox-shell", "echo in the shell")
        assert.equal("in the shell\n", result.stdout)
        assert.truthy(result.stderr:find("the user's name was damaged", 1, true), result.stderr)
        assert.same({ name }, logins(bench))
    end)

    it("may echo no user's name at all", function()
        local bench <close> = support.bench({ login_echo = false })
        local result = command(bench, "busybox-shell", "true")
        assert.falsy(result.stderr:find("damaged", 1, true), result.stderr)
        assert.same({ "root" }, logins(bench))
    end)

    it("gets a password typed again that it has refused", function()
        local bench <close> = support.bench({ password = "geheimes-wort",
            faults = { { kind = "drop", at = "login", every = 9, times = 1 } } },
            { console = { cps = 1000 }, login = { password = "geheimes-wort" } })
        local result = command(bench, "busybox-shell", "true")
        assert.truthy(result.stderr:find("the login was refused, typing it once more", 1, true), result.stderr)
        assert.same({ "root", "root" }, logins(bench))
        -- Neither whole nor in the pieces that were typed.
        local record = support.read(bench:path("busybox-shell/console.log"))
        assert.falsy((result.stderr .. record):find("geheim", 1, true), record)
        assert.falsy(typed(record):find("eheimes", 1, true), record)
    end)
end)

describe("a learned pace", function()
    it("that cannot be read is ignored with a warning", function()
        local bench <close> = support.bench()
        assert(sys.mkdir(bench:path(FILE):match("^(.*)/"), { parents = true }))
        support.write(bench:path(FILE), "{")
        local result = bench:jflash({ "bootloader-shell", "--board", "sim", "--", "version" })
        assert.equal(0, result.status, result.stderr)
        assert.truthy(result.stderr:find("pace.json is ignored", 1, true), result.stderr)
    end)
end)
