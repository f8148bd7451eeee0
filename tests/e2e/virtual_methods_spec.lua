-- SPDX-License-Identifier: Apache-2.0
--
-- The virtual board fetches by itself, and runs the stand-in for fls: with a real
-- kernel and a real busybox, and where TLS is wanted a real curl. What else costs
-- no boot of its own is looked at on the way: a bundle whose manifest is a link, boot
-- files by Lua, a login with a password, --dry-run, --wait.
local image = require("jflash.image")
local job = require("jflash.job")
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

    -- A copy of the bundle whose manifest is a link, as it is when two share one.
    local function linked_bundle()
        local copy = bench.dir .. "/bundle"
        scratch:sh(("cp -a '%s' '%s' && cd '%s' && mv manifest.yaml shared.yaml && ln -s shared.yaml manifest.yaml")
            :format(bench.bundle, copy, copy))
        return copy
    end

    local RECIPE = [[
        local recipe = require("jflash.recipe.flash"):derive()
        recipe:before("prove_source", function(dut) dut:use_kernel(%q) end)
        recipe:after("prepare_bundle", function(dut) dut:use_initram(%q) end)
        recipe:after("login", function(dut)
            assert(dut.shell:run("echo $USER"):find("flasher"), "not logged in as flasher")
            assert(dut.shell:run("command -v curl"):find("/usr/bin/curl", 1, true))
        end)
        return recipe
    ]]

    local function wait_for(log, text)
        local deadline = job.now() + 120
        while not sys.read_file(log):find(text, 1, true) do
            assert(job.now() < deadline, text .. " is not in\n" .. sys.read_file(log))
            assert(job.sleep(0.05))
        end
    end

    it("fetches over TLS with curl, behind a login, from boot files that a recipe names", function()
        local server <close> = web.nginx(scratch, { host = "127.0.0.1", tls = true, alias = HOST_OF_GUEST })
        local bytes = 2 * MIB + 99
        local path, digest = bench:random_image("a.xz", bytes)
        scratch:sh(("cp '%s' www/bearer/image && chmod 644 www/bearer/image"):format(path))
        local url = server.url:gsub("127%.0%.0%.1", HOST_OF_GUEST) .. "/bearer/image"
        bench.bundle = linked_bundle()
        local kernel = bench.dir .. "/my-kernel.gz"
        scratch:sh(("mv '%s/data/Image.gz' '%s'"):format(bench.bundle, kernel))
        local recipe = bench.dir .. "/mine.lua"
        assert(sys.write_file(recipe, RECIPE:format(kernel, sys.realpath("build/demo/curl-initramfs.cpio.gz"))))
        local args = { "run", recipe, url, "--dut-fetch", "--cacert", server.cacert, "--bearer", "the-token",
            "--set", "login.username=flasher", "--set", "login.password=flasher" }
        local plan = bench:jflash(table.move({ "--dry-run" }, 1, 1, #args + 1, { table.unpack(args) }))
        assert.equal(0, plan.status, plan.stderr)
        assert.truthy(plan.stdout:find("/my-kernel.gz", 1, true), plan.stdout)
        assert.equal("off\n", bench:jflash({ "power", "state" }).stdout)

        local first <close>, log = bench:start(args)
        wait_for(log, "the board has 10.")
        local second <close>, waiting = bench:start({ "power", "on", "--wait", "300" })
        wait_for(waiting, "is in use (pid " .. first:pid())
        assert.equal(0, assert(first:wait({ timeout_s = 300 })).status, sys.read_file(log))
        local said = sys.read_file(log)
        assert.truthy(said:find("the board reaches https://", 1, true), said)
        assert.truthy(said:find("digest read back sha256:" .. digest .. " (equal)", 1, true), said)
        assert.is_nil(said:find("the-token", 1, true))
        assert.equal(digest, virtual.digest_of(bench.drive, bytes))
        assert.equal(0, assert(second:wait({ timeout_s = 60 })).status, sys.read_file(waiting))
        assert.equal(0, bench:jflash({ "power", "off" }).status)
        assert.same({}, bench:processes())
    end)

    local STAND_IN = assert(sys.realpath("tests/sim/fls-stand-in.sh"))

    local function assert_flashed_by_fls(args, word)
        local bytes = MIB + 1
        local path, digest = bench:random_image("a.zst", bytes)
        local result = bench:jflash({ "flash", path, "--method", "fls", table.unpack(args) })
        assert.equal(0, result.status, result.stderr)
        assert.truthy(result.stderr:find("flashed and verified", 1, true), result.stderr)
        assert.truthy(result.stderr:find(word, 1, true), result.stderr)
        assert.equal(digest, virtual.digest_of(bench.drive, bytes))
        assert.same({}, bench:processes())
    end

    it("is flashed by the stand-in for fls, fetched with its digest", function()
        local server <close> = web.nginx(scratch, {})
        scratch:sh(("cp '%s' www/files/fls && chmod 644 www/files/fls"):format(STAND_IN))
        local digest = image.sha256(assert(sys.read_file(STAND_IN)))
        assert_flashed_by_fls({ "--fls-binary-url", server.url .. "/files/fls", "--fls-sha256", digest },
            "sha256:" .. digest)
    end)

    it("is flashed by the stand-in for fls, of the version that is installed here", function()
        scratch:sh(("cp '%s' '%s/fls' && chmod 755 '%s/fls'"):format(STAND_IN, bench.dir, bench.dir))
        bench.path = bench.dir .. ":" .. bench.path
        assert_flashed_by_fls({ "--fls-version", "" }, "fls from " .. bench.dir .. "/fls")
    end)
end)
