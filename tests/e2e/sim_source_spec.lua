-- SPDX-License-Identifier: Apache-2.0
--
-- Images that cannot be flashed, and unusual ones that can. What the first
-- megabytes show is found before the power is touched, the rest before anything
-- on the storage changes.
local support = require("tests.e2e.support")

-- Decodes to more than is looked at before the power is switched.
local LONG_BYTES = 9 << 20

local function before_power(row)
    row.step, row.cycles, row.storage = "prove_source", 0, "untouched"
    return row
end

local function before_write(row)
    row.step, row.cycles, row.storage = "preflash", 1, "untouched"
    row.options = { storage_bytes = 10 << 20 }
    return row
end

-- An image whose compressed bytes `change` damages.
local function damaged(name, bytes, change)
    return function(bench)
        -- Bytes that do not compress: the damage may lie where it should.
        local packed = bench:image(name, support.shell("head -c " .. bytes .. " /dev/urandom"))
        support.write(packed, change(support.read(packed)))
        return packed
    end
end

local function truncated(packed)
    return packed:sub(1, #packed - #packed // 8)
end

local function flipped_at(share)
    return function(packed)
        local place = math.floor(#packed * share)
        local byte = packed:byte(place) ~ 0x55
        return packed:sub(1, place - 1) .. string.char(byte) .. packed:sub(place + 1)
    end
end

local function with_junk(packed)
    return packed .. "this is no part of the image, and longer than any padding"
end

describe("an image that is not there", function()
    support.rows({
        before_power({
            name = "is missing", status = 3, message = "nosuch.img.xz",
            prepare = function(bench) return bench:path("nosuch.img.xz") end,
        }),
        before_power({
            name = "is a folder", status = 6, message = "folder",
            prepare = function(bench)
                support.shell(("mkdir '%s'"):format(bench:path("folder")))
                return bench:path("folder")
            end,
        }),
        before_power({ name = "is empty", status = 6, content = "", message = "empty" }),
        {
            name = "is to be had by a way that jflash does not know", status = 2, step = "prove_source",
            cycles = 0, prepare = function() return "sftp://ann:word@example.org/disk.img.xz?key" end,
            message = "sftp://example.org/disk.img.xz: ", hint = "pipe", never = { "word", "key" },
        },
        before_power({
            name = "has not the digest that was asked for", status = 3, step = "prove_source",
            image = "disk.img.xz", content = support.bytes(100000),
            args = { "--os-image-checksum", ("0"):rep(64) },
            message = ("0"):rep(64), hint = "as it is delivered",
        }),
    }, it)
end)

for _, suffix in ipairs({ "xz", "gz", "zst", "bz2", "lz4" }) do
    describe("a damaged " .. suffix .. " image", function()
        local name = "disk.img." .. suffix
        support.rows({
            before_power({
                name = "that is truncated near its beginning", status = 6,
                prepare = damaged(name, 100000, truncated),
            }),
            before_power({
                name = "that has a wrong byte near its beginning", status = 6,
                prepare = damaged(name, 100000, flipped_at(0.5)),
            }),
            before_power({
                name = "that has junk behind its end", status = 6,
                prepare = damaged(name, 100000, with_junk),
            }),
        }, it)
    end)
end

for _, suffix in ipairs({ "xz", "gz" }) do
    describe("a long " .. suffix .. " image", function()
        local name = "disk.img." .. suffix
        support.rows({
            before_write({
                name = "that is truncated near its end", status = 6,
                prepare = damaged(name, LONG_BYTES, truncated),
            }),
            before_write({
                name = "that has a wrong byte near its end", status = 6,
                prepare = damaged(name, LONG_BYTES, flipped_at(0.9)),
            }),
            before_write({
                name = "that has junk behind its end", status = 6,
                prepare = damaged(name, LONG_BYTES, with_junk),
            }),
        }, it)
    end)

    describe("an image of several " .. suffix .. " streams", function()
        support.rows({
            {
                name = "is flashed whole", status = 0, storage = "flashed",
                prepare = function(bench)
                    local half = #bench.content // 2
                    local first = bench:image("a.img." .. suffix, bench.content:sub(1, half))
                    local second = bench:image("b.img." .. suffix, bench.content:sub(half + 1))
                    local path = bench:path("both.img")
                    support.write(path, support.read(first) .. support.read(second))
                    return path
                end,
            },
        }, it)
    end)
end

describe("an image larger than the device", function()
    for _, name in ipairs({ "disk.img", "disk.img.xz" }) do
        support.rows({
            {
                name = "is refused before anything is written: " .. name, image = name,
                options = { storage_bytes = 1 << 20 },
                status = 6, step = "preflash", cycles = 1, storage = "untouched",
                message = { "/dev/vda", "1048576" }, hint = "--target",
            },
        }, it)
    end
end)

describe("an image of a kind that cannot be written as it is", function()
    support.rows({
        before_power({
            name = "qcow2", status = 6, content = "QFI\xfb\0\0\0\3" .. ("\0"):rep(4096),
            message = "qcow2", hint = "qemu-img convert",
        }),
        before_power({
            name = "a compressor within a compressor", status = 6, message = "gzip",
            prepare = function(bench)
                return bench:image("disk.gz.xz", support.read(bench:image("disk.img.gz")))
            end,
        }),
        before_power({
            name = "a web page", status = 6, content = "<!DOCTYPE html><html><body>404</body></html>\n",
            message = "a web page",
        }),
        {
            name = "is written when --format raw says so", status = 0, storage = "flashed",
            content = "QFI\xfb\0\0\0\3" .. ("q"):rep(4096), args = { "--format", "raw" },
        },
    }, it)
end)

describe("an image of any size", function()
    local sizes = { 1, 513, 4096, (4 << 20) - 1, 4 << 20, (4 << 20) + 512 }
    for _, size in ipairs(sizes) do
        support.rows({
            {
                name = ("is written to the byte: %d"):format(size), image = "disk.img.gz",
                content = support.bytes(size), status = 0, storage = "flashed",
            },
        }, it)
    end
    support.rows({
        {
            name = "may fill the device", content = support.bytes(5 << 20),
            options = { storage_bytes = 5 << 20 }, status = 0, storage = "flashed",
        },
    }, it)
end)

describe("an image that changes while the board boots", function()
    it("is refused before it is written", function()
        local bench <close> = support.bench()
        local path = bench:image("disk.img")
        local result = bench:run_recipe(([[
            recipe:after("preflash", function()
                local file = io.open(%q, "a")
                file:write("more")
                file:close()
            end)
        ]]):format(path), { path })
        bench:assert_result(result, { status = 6, step = "write", storage = "untouched" })
    end)
end)

describe("an image on standard input", function()
    it("is spooled, flashed, and removed", function()
        local bench <close> = support.bench()
        local result = bench:flash({ "-" }, { stdin = bench:image("disk.img.xz") })
        bench:assert_result(result, { status = 0, storage = "flashed" })
        assert.equal("", support.shell(("find '%s' -name stdin.image"):format(bench.dir)))
    end)

    it("that is empty is refused before the power is touched", function()
        local bench <close> = support.bench()
        local result = bench:flash({ "-" })
        bench:assert_result(result, { status = 6, step = "prove_source", cycles = 0 })
        assert.equal("", support.shell(("find '%s' -name stdin.image"):format(bench.dir)))
    end)
end)
