-- SPDX-License-Identifier: Apache-2.0
--
-- Dumps of the scripted board's storage: what lies in the file afterwards is what
-- lies on the storage, whatever happened on the way, and the storage is untouched.
local json = require("jflash.json")
local support = require("tests.e2e.support")
local sys = require("jflash.sys")

local MIB = 1 << 20
local SIGINT, SIGKILL = 2, 9

-- A storage of seven ranges of 1 MiB (the last one shorter): data, zeros, data.
local SIZE = 6 * MIB + 3 * 512

local DISK_SYSFS = "platform/a003e00.virtio_mmio/virtio0/block/vda"

local function bench(options, config)
    options = options or {}
    options.storage_bytes = SIZE
    local made = support.bench(options, config)
    made.before = support.bytes(2 * MIB + 100) .. ("\0"):rep(2 * MIB) .. support.bytes(2 * MIB + 1436)
    assert.equal(SIZE, #made.before)
    support.write(made.board.storage, made.before)
    return made
end

local function start(b, args, options)
    return b:start({ "dump", "--board", "sim", table.unpack(args) }, options)
end

local function dump(b, args, options)
    return start(b, args, options):wait((options or {}).timeout_s)
end

local READERS = { img = "cat", xz = "xz -dc", zst = "zstd -dcq", gz = "gzip -dc" }

-- The file is what the storage holds, and nothing else is left of the dump.
local function assert_dumped(b, name, content)
    local path = b:path(name)
    local reader = READERS[name:match("%.(%w+)$")]
    local digest = support.shell(("%s <'%s' | sha256sum"):format(reader, path)):match("^%x+")
    assert.equal(support.sha256(content or b.before), digest)
    for _, rest in ipairs({ ".part", ".part.jsonl", ".part.d" }) do
        assert.is_nil(sys.stat(path .. rest), rest .. " is left")
    end
end

local function ranges(b, name)
    local _, lines = support.read(b:path(name .. ".part.jsonl")):gsub("\n", "")
    return lines - 1
end

describe("a dump", function()
    for _, name in ipairs({ "disk.img", "disk.img.xz", "disk.img.zst", "disk.img.gz" }) do
        it("into " .. name .. " is what the storage holds", function()
            local b <close> = bench()
            local result = dump(b, { name, "--run-dir", b:path("kept") })
            local digest = support.sha256(b.before)
            b:assert_result(result, { status = 0, storage = "untouched", cycles = 1,
                says = { "sim: dumped", "sha256:" .. digest } })
            assert_dumped(b, name)
            local document = json.decode(support.read(b:path("kept") .. "/result.json"))
            assert.is_true(sys.stat(b:path(name)).used <= SIZE - 2 * MIB + 64 * 1024, "it has no holes")
            assert.same({ "dump", "dumped", digest, SIZE }, { document.command, document.result,
                document.pieces[1].dumped_sha256, document.pieces[1].dumped_bytes })
        end)
    end

    it("can be flashed again", function()
        local b <close> = bench()
        b:assert_result(dump(b, { "disk.img.xz" }), { status = 0 })
        support.write(b.board.storage, ("\0"):rep(SIZE))
        b:assert_result(b:flash({ b:path("disk.img.xz") }), { status = 0 })
        assert.equal(support.sha256(b.before), support.sha256(support.read(b.board.storage)))
    end)

    it("goes by curl where the board has it", function()
        local b <close> = bench({ programs = { "/usr/bin/curl" } })
        b:assert_result(dump(b, { "disk.img.gz" }), { status = 0 })
        assert_dumped(b, "disk.img.gz")
    end)

    it("goes by an nc that starts no programs", function()
        local b <close> = bench()
        local path = b:path("plain-nc.lua")
        support.write(path, [[
            local recipe = require("jflash.recipe.dump"):derive()
            recipe:before("dump", function(dut)
                function dut.shell:test(command)
                    dut.log.info("asked: %s", command)
                    return not command:find("-e PROG", 1, true) and getmetatable(self).test(self, command)
                end
            end)
            return recipe
        ]])
        b:assert_result(b:jflash({ "run", path, "--board", "sim", "disk.img" }), {
            status = 0, says = "asked: command -v nc >/dev/null\n" })
        assert_dumped(b, "disk.img")
    end)

    it("reads partitions and targets in one boot", function()
        local b <close> = bench({ disks = {
            {}, { name = "vdb" }, { name = "vda1", label = "boot", bytes = MIB, sysfs = DISK_SYSFS },
        } }, { targets = { disk = { path = "/dev/vda" }, other = { path = "/dev/vdb" } } })
        support.write(b.board.dir .. "/root/dev/vda1", support.bytes(MIB))
        b:assert_result(dump(b, { "-t", "boot:boot.img", "-t", "other:other.img.zst" }),
            { status = 0, cycles = 1, says = { 'boot.img gets partition "boot" of disk' } })
        assert_dumped(b, "boot.img", support.read(b.board.dir .. "/root/dev/vda1"))
        assert_dumped(b, "other.img.zst", ("\0"):rep(SIZE))
    end)

    it("reads what is read-only, and warns of what is mounted", function()
        local b <close> = bench({ disks = { { read_only = true, mounted = "/mnt" } } })
        b:assert_result(dump(b, { "disk.img" }), { status = 0, says = "is in use: /dev/vda is mounted on /mnt" })
        assert_dumped(b, "disk.img")
    end)

    it("boots the flasher as the board's own recipe does", function()
        local b <close> = bench({ dialect = "keyed" })
        support.write(b:path("keyed.lua"), [[
            local recipe = require("jflash.recipe.flash"):derive()
            function recipe.interrupt(dut)
                dut.console:expect("type 'stop' to interrupt", { timeout_s = 5 })
                dut.console:send("stop")
                dut.uboot:wait_prompt()
                dut.uboot:settle()
            end
            recipe:after("login", function(dut) dut.log.info("my own login") end)
            return recipe
        ]])
        b.config.recipe = b:path("keyed.lua")
        b:assert_result(dump(b, { "disk.img" }), { status = 0, says = "my own login" })
        assert_dumped(b, "disk.img")
        b.config.recipe = nil
        local own = b:path("own.lua")
        support.write(own, support.read(b:path("keyed.lua")):gsub("recipe%.flash", "recipe.dump"))
        b:assert_result(b:jflash({ "run", own, "--board", "sim", "again.img" }), { status = 0 })
        assert_dumped(b, "again.img")
    end)
end)

describe("a dump is refused before the power is touched", function()
    it("when the file exists", function()
        local b <close> = bench()
        support.write(b:path("disk.img"), "precious")
        b:assert_result(dump(b, { "disk.img" }), { status = 2, cycles = 0, message = "disk.img exists",
            hint = "--force" })
        assert.equal("precious", support.read(b:path("disk.img")))
        b:assert_result(dump(b, { "disk.img", "--force" }), { status = 0 })
        assert_dumped(b, "disk.img")
    end)

    it("when its name, place or partner is wrong", function()
        local b <close> = bench()
        local function refused(args, message)
            b:assert_result(dump(b, args), { status = 2, cycles = 0, message = message })
        end
        refused({ "disk.img.bz2" }, "not compressed as .bz2")
        refused({ "nowhere/disk.img" }, "no folder")
        refused({ "-" }, "not to standard output")
        refused({ "-t", "a:x.img", "-t", "b:x.img" }, "two dumps into one file")
        refused({}, "no file was named")
        b:assert_result(dump(b, { "/proc/disk.img" }), { status = 4, cycles = 0, step = "prepare_files" })
        support.write(b:path("disk.img.part"), "?")
        refused({ "disk.img" }, "without disk.img.part.jsonl")
    end)
end)

describe("a range", function()
    local function connection(action, times)
        return { faults = { { kind = "connection", action = action, upload = true, after_bytes = 300000,
            match = "range%-1%-", times = times } } }
    end

    for _, action in ipairs({ "corrupt", "cut" }) do
        it(("that is damaged on its way (%s) once is sent again"):format(action), function()
            local b <close> = bench(connection(action, 1))
            b:assert_result(dump(b, { "disk.img.xz" }), { status = 0, cycles = 1, says = "it is sent again" })
            assert_dumped(b, "disk.img.xz")
        end)
    end

    it("that is always damaged ends the run, and what is good is kept", function()
        local b <close> = bench(connection("corrupt"))
        b:assert_result(dump(b, { "disk.img" }), { status = 5, step = "dump", message = "arrived as 1048576 bytes",
            says = "disk.img.part is kept: 1.0 MB of 6.3 MB" })
        assert.equal(1, ranges(b, "disk.img"))
        assert.is_nil(sys.stat(b:path("disk.img")))
    end)

    it("that stands still ends the run in time", function()
        local b <close> = bench(connection("stall"))
        b:assert_result(dump(b, { "disk.img" }, { timeout_s = 20 }), { status = 5, step = "dump",
            message = "no progress for 4 s" })
    end)

    it("that cannot be read is never tried again", function()
        local b <close> = bench({ faults = { { kind = "disk", bad_read_at = 4 * MIB + 5000 } } }, { retries = 2 })
        b:assert_result(dump(b, { "disk.img" }), { status = 5, step = "dump", cycles = 1,
            message = { "reading /dev/vda between 4194304 and 5242880 failed", "Input/output error" } })
        assert.equal(4, ranges(b, "disk.img"))
    end)
end)

describe("a dump that was interrupted", function()
    local RESET = { faults = { { kind = "reset", at = "read", offset = 5 * MIB, times = 1 } } }

    it("by a reset goes on in the same run", function()
        local b <close> = bench(RESET, { retries = 1 })
        b:assert_result(dump(b, { "disk.img.zst" }), { status = 0, cycles = 2, storage = "untouched" })
        assert_dumped(b, "disk.img.zst")
    end)

    -- Holds the sixth of seven ranges up.
    local SLOW = { faults = { { kind = "connection", action = "stall", upload = true, after_bytes = 300000,
        match = "range%-5%-" } } }

    -- A bench with a dump that was stopped when five ranges were stored.
    local function interrupted(name, signal)
        local b = bench(SLOW, { timeouts = { write_stall_s = 30 } })
        local run = start(b, { name })
        run:wait_until("five ranges", function()
            return sys.stat(b:path(name .. ".part.jsonl")) and ranges(b, name) == 5
        end)
        run:kill(signal)
        local result = run:wait(15)
        b.board:clear_faults("connection")
        return b, result
    end

    local function connections(b)
        return #b.board:log("connect")
    end

    for _, name in ipairs({ "disk.img", "disk.img.xz" }) do
        it("by Ctrl-C is gone on with by the same command: " .. name, function()
            local b <close>, result = interrupted(name, SIGINT)
            b:assert_result(result, { status = 130, step = "dump", says = "part is kept: 5.2 MB of 6.3 MB" })
            local before = connections(b)
            b:assert_result(dump(b, { name }), { status = 0, says = "going on with", storage = "untouched" })
            assert_dumped(b, name)
            -- Is the host there (two), the script, two ranges.
            assert.is_true(connections(b) - before <= 5, "stored ranges were sent again")
        end)
    end

    it("by kill -9 is gone on with, and what was half stored goes", function()
        local name = "disk.img.zst"
        local b <close> = interrupted(name, SIGKILL)
        support.shell(("printf 'half a range' >>'%s.part'; printf '{\"by' >>'%s.part.jsonl'"):format(
            b:path(name), b:path(name)))
        b:assert_result(dump(b, { name }), { status = 0, says = "going on with 5.2 MB" })
        assert_dumped(b, name)
    end)

    it("and whose storage changed since is right all the same", function()
        local b <close> = interrupted("disk.img.xz", SIGINT)
        b.before = b.before:sub(1, MIB) .. "changed" .. b.before:sub(MIB + 8)
        support.write(b.board.storage, b.before)
        b:assert_result(dump(b, { "disk.img.xz" }), { status = 0,
            says = "the storage has changed since the earlier dump: what lies behind 1.0 MB is dumped again" })
        assert_dumped(b, "disk.img.xz")
    end)

    it("and whose file was damaged since is right all the same", function()
        local b <close> = interrupted("disk.img", SIGINT)
        support.shell(("printf X | dd of='%s.part' bs=1 seek=1500000 conv=notrunc 2>&1"):format(
            b:path("disk.img")))
        b:assert_result(dump(b, { "disk.img" }), { status = 0, says = { "what follows is dumped again",
            "going on with 1.0 MB" } })
        assert_dumped(b, "disk.img")
    end)

    it("is not gone on with from another storage", function()
        local b <close> = interrupted("disk.img", SIGINT)
        support.shell(("sed -i '1s/SIM DISK/OTHER/' '%s.part.jsonl'"):format(b:path("disk.img")))
        b:assert_result(dump(b, { "disk.img" }), { status = 2, step = "dump", message = "its model is OTHER",
            hint = "--force" })
        b:assert_result(dump(b, { "disk.img", "--force" }), { status = 0 })
        assert_dumped(b, "disk.img")
    end)
end)

describe("a disk of this host that is full", function()
    -- A file may grow to so many blocks of 512 bytes: what a full disk says, without one.
    local function limited(b, args, blocks)
        local path = b:path("limited.sh")
        support.write(path, ('ulimit -f %d; trap "" XFSZ; exec "$@"\n'):format(blocks))
        b:write_config()
        return assert(sys.run({ "/bin/sh", path, support.program(), table.unpack(args) }, {
            cwd = b.dir, timeout_s = 30, env = { HOME = b.dir, XDG_STATE_HOME = false },
        }))
    end

    it("is told with sizes, and what was stored is gone on with", function()
        local b <close> = bench()
        local result = limited(b, { "dump", "--board", "sim", "disk.img" }, 5 * MIB // 512)
        b:assert_result(result, { status = 4, step = "dump", cycles = 1,
            message = { "File too large", "of 6.3 MB are dumped" }, hint = "make room" })
        assert.equal(5, ranges(b, "disk.img"))
        b:assert_result(dump(b, { "disk.img" }), { status = 0, says = "going on with" })
        assert_dumped(b, "disk.img")
    end)

    it("while a range arrives is this host's failure too, and not tried again", function()
        local b <close> = bench({}, { retries = 2 })
        local result = limited(b, { "dump", "--board", "sim", "disk.img.gz" }, MIB // 1024)
        b:assert_result(result, { status = 4, step = "dump", cycles = 1, message = "File too large" })
        assert.equal(0, ranges(b, "disk.img.gz"))
    end)
end)
