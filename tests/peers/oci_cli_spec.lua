-- SPDX-License-Identifier: Apache-2.0
--
-- `jflash bundle` and `jflash cache` with a registry's bundles.
local json = require("jflash.json")
local registries = require("tests.support.registry")
local scratches = require("tests.support.scratch")
local sys = require("jflash.sys")

local ROOT = (arg[0]:match("^(.*)tests/") or "") .. "tests/sim/bundle/manifest.yaml"

local scratch, server, reference, digest

local function jflash(...)
    return assert(sys.run({ sys.process_exe(sys.pid()), ... }, { cwd = scratch.path,
        env = { HOME = scratch.path, XDG_CACHE_HOME = false, XDG_CONFIG_HOME = false } }))
end

local function good(...)
    local result = jflash(...)
    assert.equal(0, result.status, result.stderr)
    return result.stdout, result.stderr
end

local function bad(status, words, ...)
    local result = jflash(...)
    assert.equal(status, result.status, result.stderr)
    assert.matches(words, result.stderr)
end

setup(function()
    scratch = scratches.new()
    server = registries.stand_in(scratch)
    local files = { { "manifest.yaml", assert(sys.read_file(ROOT)) }, { "data/empty", "" } }
    for _, name in ipairs({ "data/Image", "data/initramfs.gz", "data/board-a.dtb", "data/board-b.dtb" }) do
        table.insert(files, { name, name })
    end
    local rules
    rules, digest = server:artifact("org/sim", "1", files)
    server:rules({ rules = rules })
    reference = ("oci://%s/org/sim:1"):format(server.host)
end)
teardown(function()
    server:close()
    scratch:close()
end)

describe("jflash bundle", function()
    it("checks and inspects a reference, and a folder", function()
        local _, said = good("bundle", "check", reference)
        assert.matches("bundle sim is sound", said)
        local shown = good("bundle", "inspect", reference)
        for _, words in ipairs({ reference, digest, "data/Image" }) do
            assert.truthy(shown:find(words, 1, true), words)
        end
        local fields = json.decode((good("bundle", "inspect", reference, "--format", "json")))
        assert.same({ reference, digest, 6, "data/empty" },
            { fields.reference, fields.digest, #fields.layers, fields.layers[2].title })

        good("bundle", "pull", reference, "copy")
        local folder = json.decode((good("bundle", "inspect", "copy", "--format", "json")))
        assert.same({ "sim", "disk", "board-a", 4 },
            { folder.name, folder.default_target, folder.default_variant, #folder.files })
        assert.matches("variant +board%-a %(default%)", (good("bundle", "inspect", "copy")))
        good("bundle", "check", "copy")
    end)

    it("pulls into the cache, and into a folder that is not there", function()
        local path = good("bundle", "pull", reference):match("^(%S+) sha256:%x+\n$")
        assert.truthy(sys.stat(path .. "/data/Image"))
        local out = good("bundle", "pull", reference, "mine/")
        assert.equal("mine " .. digest .. "\n", out)
        assert.equal(0, sys.stat(scratch:file("mine/data/empty")).size)
        bad(2, "mine: is not empty", "bundle", "pull", reference, "mine")
        bad(3, "404", "bundle", "pull", reference .. "23", "other")
        assert.same(nil, (sys.stat(scratch:file("other"))))
        for _, name in ipairs(sys.list(scratch.path)) do
            assert.is_nil(name:find("^other"), name)
        end
    end)

    it("locks, and lists", function()
        good("bundle", "pull", reference, "--lock")
        assert.same({ [reference] = digest }, json.decode(scratch:read("jflash.lock")).references)
        local _, said = good("bundle", "pull", reference)
        assert.matches("as .*jflash.lock says", said)
        local rows = json.decode((good("bundle", "list", "--format", "json")))
        assert.same({ 1, reference, digest }, { #rows, rows[1].reference, rows[1].digest })
        assert.truthy(good("bundle", "list"):find(reference, 1, true))
    end)

    it("does without a cache where that is turned off", function()
        local config = scratch:write("jflash.yaml", "boards: {b: {console: {device: /dev/null}, cache_limit: 0}}\n")
        scratch:sh("chmod 600 jflash.yaml; mkdir tmp")
        bad(2, "name a folder", "bundle", "pull", reference, "--config", config)
        local result = assert(sys.run({ sys.process_exe(sys.pid()), "bundle", "pull", reference, "uncached",
            "--config", config }, { cwd = scratch.path, env = { HOME = scratch:file("tmp"),
            TMPDIR = scratch:file("tmp"), XDG_CACHE_HOME = false, XDG_CONFIG_HOME = false } }))
        assert.equal(0, result.status, result.stderr)
        assert.truthy(sys.stat(scratch:file("uncached/data/Image")))
        assert.same({}, sys.list(scratch:file("tmp")))
    end)

    it("says what is wrong with its words", function()
        bad(2, "which bundle", "bundle", "pull")
        bad(2, "takes one bundle", "bundle", "check", "a", "b")
        bad(2, "%-%-lock goes with bundle pull", "bundle", "check", "a", "--lock")
        bad(2, "no name of a repository", "bundle", "pull", "quay.io/X")
    end)
end)

describe("jflash cache", function()
    it("lists, verifies and prunes", function()
        good("bundle", "pull", reference)
        local shown = good("cache", "list")
        assert.matches("bundle +[%d.]+ k?B", shown)
        assert.matches("content", shown)
        local entries = json.decode((good("cache", "list", "--format", "json")))
        local _, said = good("cache", "verify")
        assert.matches("entries in .* are sound", said)
        for _, entry in ipairs(entries) do
            if entry.kind == "content" then
                scratch:write("damaged", "x")
                assert(sys.rename(scratch:file("damaged"), entry.path))
                break
            end
        end
        bad(4, "1 of %d+ entries .* were damaged, and were removed", "cache", "verify")
        good("cache", "verify")
        good("cache", "prune")
        assert.is_true(#json.decode((good("cache", "list", "--format", "json"))) > 0)
        good("cache", "prune", "--limit", "1K")
        good("cache", "prune", "--all")
        assert.same({}, json.decode((good("cache", "list", "--format", "json"))))
        bad(2, "is not", "cache", "prune", "--limit", "much")
    end)
end)
