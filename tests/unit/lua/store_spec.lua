-- SPDX-License-Identifier: Apache-2.0
--
-- The file that a dump grows into: what other programs read out of it, holes, and
-- going on behind what is good.
local image = require("jflash.image")
local store = require("jflash.store")
local sys = require("jflash.sys")
local scratch = require("tests.support.scratch")

local MIB = 1 << 20

local FORMATS = {
    { name = "raw", reader = "cat" },
    { name = "xz", reader = "xz -dc" },
    { name = "zstd", reader = "zstd -dcq" },
    { name = "gzip", reader = "gzip -dc" },
}

-- Bytes that compress a little, with zeros in them.
local function content(length)
    local parts = {}
    for index = 1, length // 4096 + 1 do
        parts[index] = index % 3 == 0 and ("\0"):rep(4096)
            or (("%08x"):format(math.random(0, 0xFFFFFFFF)):rep(64) .. ("x"):rep(3584))
    end
    return table.concat(parts):sub(1, length)
end

describe("a store", function()
    local dir

    before_each(function() dir = scratch.new() end)
    after_each(function() dir:close() end)

    local function add(st, bytes)
        return assert(st:add({ file = dir:write("range", bytes), bytes = #bytes }))
    end

    local function decoded(reader, name)
        dir:sh(("%s <%s >decoded"):format(reader, name))
        return dir:read("decoded")
    end

    for _, format in ipairs(FORMATS) do
        local function open()
            return assert(store.open(dir:file("out.part"), { format = format.name }))
        end

        it(format.name .. ": is what was added, as others read it", function()
            local first, last = content(MIB + 777), content(300 * 1024)
            local whole = first .. ("\0"):rep(2 * MIB + 5) .. last
            do
                local st <close> = open()
                add(st, first)
                assert(st:add({ bytes = 2 * MIB + 5 }))
                add(st, last)
                assert.equal(#whole, st:bytes())
                assert.equal(image.sha256(whole), st:finish(dir:file("out")))
            end
            assert.equal(image.sha256(whole), image.sha256(decoded(format.reader, "out")))
            assert.is_nil(sys.stat(dir:file("out.part")))
        end)

        it(format.name .. ": goes on behind the ranges that are good", function()
            local first, second, last = content(500000), content(400000), content(7)
            local sizes = {}
            do
                local st <close> = open()
                sizes[1], sizes[2] = add(st, first), add(st, second)
            end
            dir:sh("printf 'half a range' >>out.part")
            local st <close> = open()
            assert(st:check({ bytes = #first, stored_bytes = sizes[1], sha256 = image.sha256(first) }))
            local ok, _, code = st:check({ bytes = #second, stored_bytes = sizes[2], sha256 = image.sha256(last) })
            assert.same({ nil, "checksum" }, { ok, code })
            assert(st:check({ bytes = #second, stored_bytes = sizes[2], sha256 = image.sha256(second) }))
            add(st, last)
            local whole = first .. second .. last
            assert.equal(image.sha256(whole), st:finish(dir:file("out")))
            assert.equal(whole, decoded(format.reader, "out"))
        end)

        it(format.name .. ": finds a range that is damaged or cut", function()
            local bytes = content(900000)
            local size
            do
                local st <close> = open()
                size = add(st, bytes)
            end
            local kept = dir:read("out.part")
            local middle = size // 2
            local damaged = { kept:sub(1, middle) .. string.char(kept:byte(middle + 1) ~ 1) .. kept:sub(middle + 2),
                kept:sub(1, middle), "" }
            for _, broken in ipairs(damaged) do
                dir:write("out.part", broken)
                local st <close> = open()
                local ok, _, code = st:check({ bytes = #bytes, stored_bytes = size, sha256 = image.sha256(bytes) })
                assert.same({ nil, "checksum", 0 }, { ok, code, st:bytes() })
            end
        end)
    end

    it("takes no room for zeros", function()
        do
            local st <close> = assert(store.open(dir:file("out.part")))
            add(st, content(4096) .. ("\0"):rep(4 * MIB) .. content(4096))
            assert(st:add({ bytes = 8 * MIB }))
            assert(st:finish(dir:file("out")))
        end
        local info = sys.stat(dir:file("out"))
        assert.equal(12 * MIB + 8192, info.size)
        assert.is_true(info.used <= 64 * 1024, "it takes " .. info.used)
    end)

    it("replaces a file only when it is told to", function()
        dir:write("out", "precious")
        local st <close> = assert(store.open(dir:file("out.part")))
        local ok, _, _, errno = st:finish(dir:file("out"))
        assert.same({ nil, "EEXIST", "precious" }, { ok, errno, dir:read("out") })
        assert(st:finish(dir:file("out"), { replace = true }))
        assert.equal("", dir:read("out"))
    end)

    it("says when a range's file is shorter than expected, and stays where it was", function()
        local st <close> = assert(store.open(dir:file("out.part"), { format = "zstd" }))
        add(st, "first")
        local ok, message, code = st:add({ file = dir:write("range", "short"), bytes = 6 })
        assert.same({ nil, "closed", 5 }, { ok, code, st:bytes() })
        assert.is_truthy(message:find("range: shorter", 1, true))
        add(st, " last")
        assert(st:finish(dir:file("out")))
        assert.equal("first last", decoded("zstd -dcq", "out"))
    end)

    it("fails with ENOSPC on a full device", function()
        local st <close> = assert(store.open("/dev/full"))
        local _, message, code, errno = st:add({ file = dir:write("range", "x"), bytes = 1 })
        assert.equal("io", code)
        assert.is_truthy(errno == "ENOSPC" or errno == "EINVAL", message)
    end)

    it("refuses misuse", function()
        assert.has_error(function() store.open("x", { format = "lz4" }) end)
        local st = assert(store.open(dir:file("out.part")))
        assert.has_error(function() st:add({}) end)
        st:close()
        st:close()
        assert.has_error(function() st:bytes() end)
    end)
end)
