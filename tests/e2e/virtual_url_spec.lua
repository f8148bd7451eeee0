-- SPDX-License-Identifier: Apache-2.0
--
-- An image from a web server, by TLS and with a token, onto the virtual board.
local scratches = require("tests.support.scratch")
local sys = require("jflash.sys")
local virtual = require("tests.support.virtual")
local web = require("tests.support.web")

local MIB = 1 << 20

it("the virtual board is flashed from a URL while the image arrives", function()
    local bench <close> = virtual.bench()
    local scratch <close> = scratches.new()
    local server <close> = web.nginx(scratch, { tls = true })
    local bytes = 30 * MIB + 4321
    local path, digest = bench:random_image("a.xz", bytes)
    assert(sys.rename(path, scratch:file("www/both/disk.img")))
    scratch:write("token", "the-token\n")
    local arguments = { "flash", "--cacert", server.cacert, "--bearer-file", scratch:file("token"),
        server.url .. "/both/disk.img?secret=swordfish" }

    local result = bench:jflash(arguments)
    assert.equal(0, result.status, result.stderr)
    assert.truthy(result.stderr:find("flashed and verified", 1, true), result.stderr)
    assert.truthy(result.stderr:find(server.url .. "/both/disk.img: all here", 1, true), result.stderr)
    assert.is_nil(result.stderr:find("swordfish", 1, true))
    assert.is_nil(result.stderr:find("the-token", 1, true))
    assert.equal(digest, virtual.digest_of(bench.drive, bytes))

    -- The copy that was kept is proven beforehand, and written as a file is.
    assert(sys.remove(bench.drive))
    result = bench:jflash(arguments)
    assert.equal(0, result.status, result.stderr)
    assert.truthy(result.stderr:find("not changed at the server", 1, true), result.stderr)
    assert.equal(digest, virtual.digest_of(bench.drive, bytes))
    assert.same({}, bench:processes())
end)
