-- SPDX-License-Identifier: Apache-2.0
--
-- The virtual board fetches by itself, and runs the stand-in for fls: with a real
-- kernel and a real busybox. It has no curl, so by http alone.
local scratches = require("tests.support.scratch")
local sys = require("jflash.sys")
local virtual = require("tests.support.virtual")
local web = require("tests.support.web")

local MIB = 1 << 20
-- What the guest calls this host's loopback address.
local HOST_OF_GUEST = "10.0.2.2"

describe("the virtual board", function()
    local bench, scratch

    before_each(function()
        bench, scratch = virtual.bench(), scratches.new()
    end)

    after_each(function()
        scratch:close()
        bench:close()
    end)

    it("fetches an image by itself, and hashes it on its way", function()
        local server <close> = web.nginx(scratch, { host = "127.0.0.1" })
        local bytes = 3 * MIB + 4321
        local path, digest = bench:random_image("a.xz", bytes)
        scratch:sh(("cp '%s' www/files/image && chmod 644 www/files/image"):format(path))
        local url = server.url:gsub("127%.0%.0%.1", HOST_OF_GUEST) .. "/files/image"
        local result = bench:jflash({ "flash", url, "--dut-fetch" })
        assert.equal(0, result.status, result.stderr)
        assert.truthy(result.stderr:find("digest read back sha256:" .. digest .. " (equal)", 1, true), result.stderr)
        assert.equal(digest, virtual.digest_of(bench.drive, bytes))
        -- Twice, and no more: the look at its beginning, and the write.
        assert.equal(2, #server:requests(2))
    end)

    it("is flashed by the stand-in for fls", function()
        local bytes = MIB + 1
        local path, digest = bench:random_image("a.zst", bytes)
        local result = bench:jflash({ "flash", path, "--method", "fls",
            "--fls-binary-url", assert(sys.realpath("tests/sim/fls-stand-in.sh")) })
        assert.equal(0, result.status, result.stderr)
        assert.truthy(result.stderr:find("flashed and verified", 1, true), result.stderr)
        assert.equal(digest, virtual.digest_of(bench.drive, bytes))
        assert.same({}, bench:processes())
    end)
end)
