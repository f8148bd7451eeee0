-- SPDX-License-Identifier: Apache-2.0
--
-- Bundles from a registry: whole runs on the scripted board.
local json = require("jflash.json")
local registries = require("tests.support.registry")
local scratches = require("tests.support.scratch")
local support = require("tests.e2e.support")
local sys = require("jflash.sys")

local scratch, server

setup(function()
    scratch = scratches.new()
    server = registries.stand_in(scratch)
end)

teardown(function()
    server:close()
    scratch:close()
end)

-- The scripted board's own bundle, as an artifact; the registry wants a password.
local function publish(bench, without)
    local files = {}
    for _, name in ipairs({ "manifest.yaml", "data/Image", "data/initramfs.gz", "data/board-a.dtb",
        "data/board-b.dtb" }) do
        if name ~= without then
            table.insert(files, { name, support.read(bench.config.bundle .. "/" .. name) })
        end
    end
    local rules, digest = server:artifact("org/sim", "1", files)
    server:rules({ rules = rules, auth = { user = "ann", password = "open sesame" } })
    return ("oci://%s/org/sim:1"):format(server.host), digest
end

local LOGIN = { env = { OCI_USERNAME = "ann", OCI_PASSWORD = "open sesame" } }

local function result_of(bench)
    return json.decode(support.read(bench:path("kept/result.json"))).bundle
end

describe("a bundle in a registry", function()
    it("is pulled for the run, which keeps its digest; later runs need no registry", function()
        local bench <close> = support.bench()
        local reference, digest = publish(bench)
        bench.config.bundle = reference
        local result = bench:flash({ bench:image("disk.img"), "--run-dir", bench:path("kept") }, LOGIN)
        bench:assert_result(result, { status = 0, storage = "flashed", cycles = 1, says = "flashed and verified" })
        assert.same({ reference, digest }, { result_of(bench).reference, result_of(bench).digest })
        local kept = support.shell(("cat %s/*.log"):format(bench:path("kept"))) .. result.stderr
        assert.is_nil(kept:find("sesame", 1, true))

        local asked = #server:requests()
        local again = bench:flash({ bench:image("disk.img"), "--offline" })
        bench:assert_result(again, { status = 0, storage = "flashed", cycles = 2 })
        assert.equal(asked, #server:requests())
    end)

    it("beats the board's own by --force-flash-bundle, and jflash.lock holds", function()
        local bench <close> = support.bench()
        local reference, digest = publish(bench)
        bench:write_config()
        assert(sys.write_file(bench:path("jflash.lock"), json.encode({ version = 1,
            references = { [reference] = digest } })))
        local result = bench:flash({ bench:image("disk.img"), "--force-flash-bundle", reference, "--run-dir",
            bench:path("kept") }, LOGIN)
        bench:assert_result(result, { status = 0, storage = "flashed", says = "jflash.lock says" })
        assert.equal(digest, result_of(bench).digest)
        for _, request in ipairs(server:requests()) do
            assert.is_nil(request.path:find("/manifests/1$") and request.headers["If-None-Match"])
        end
    end)

    it("is pulled by a dry run too, and for the shells", function()
        local bench <close> = support.bench()
        local digest
        bench.config.bundle, digest = publish(bench)
        local planned = bench:flash({ bench:image("disk.img"), "--dry-run" }, LOGIN)
        bench:assert_result(planned, { status = 0, cycles = 0 })
        assert.truthy(planned.stdout:find(digest, 1, true), planned.stdout)
        local shell = bench:jflash({ "busybox-shell", "--board", "sim", "--offline" }, { timeout_s = 30 })
        assert.equal(0, shell.status, shell.stderr)

        bench.config.cache_limit = 0
        local tmp = bench:path("tmp")
        assert(sys.mkdir(tmp))
        local uncached = bench:flash({ bench:image("disk.img") },
            { env = { OCI_USERNAME = "ann", OCI_PASSWORD = "open sesame", TMPDIR = tmp } })
        bench:assert_result(uncached, { status = 0, storage = "flashed" })
        assert.same({}, sys.list(tmp))
    end)

    it("that cannot be had, or lacks a file, leaves the board alone", function()
        local bench <close> = support.bench()
        bench.config.bundle = publish(bench, "data/Image")
        bench:assert_result(bench:flash({ bench:image("disk.img") }, LOGIN), { status = 2, step = "prepare_bundle",
            cycles = 0, message = { "data/Image", "is not in the bundle" } })
        bench:assert_result(bench:flash({ bench:image("disk.img"), "--force-flash-bundle",
            ("oci://%s/org/other:1"):format(server.host) }, LOGIN), { status = 3, step = "prepare_bundle", cycles = 0,
            message = "/org/other:1", hint = "is the reference right" })
        bench:assert_result(bench:flash({ bench:image("disk.img"), "--force-flash-bundle",
            ("oci://%s/org/sim:1"):format(server.host), "--set", "cache_dir=" .. bench:path("other") }),
            { status = 3, step = "prepare_bundle", cycles = 0, message = "401", hint = "podman login" })
    end)
end)
