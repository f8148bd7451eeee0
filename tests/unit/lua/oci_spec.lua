-- SPDX-License-Identifier: Apache-2.0
--
-- Registries, as far as no registry is needed: references, which credentials, which
-- platform, the lock file, which layer is what, trees in the cache.
local caches = require("jflash.cache")
local credentials = require("jflash.oci.credentials")
local errors = require("jflash.errors")
local image = require("jflash.image")
local layers = require("jflash.oci.layers")
local lockfile = require("jflash.oci.lockfile")
local platform = require("jflash.oci.platform")
local references = require("jflash.oci.reference")
local registry = require("jflash.registry")
local scratches = require("tests.support.scratch")
local sys = require("jflash.sys")
local trees = require("jflash.oci.tree")

local scratch

local function failure(call, ...)
    local ok, reason = xpcall(call, errors.wrap, ...)
    assert.is_false(ok)
    return reason
end

before_each(function()
    scratch = scratches.new()
end)
after_each(function()
    scratch:close()
end)

describe("a reference", function()
    it("has parts", function()
        local digest = "sha256:" .. ("0"):rep(64)
        assert.same({ kind = "registry", host = "quay.io:443", name = "org/x", tag = "1", digest = digest,
            text = "oci://quay.io:443/org/x:1@" .. digest }, registry.parse("quay.io:443/org/x:1@" .. digest))
        assert.same({ kind = "layout", path = "dir", tag = "1", text = "oci-layout:dir:1" },
            registry.parse("oci-layout:dir:1"))
        assert.same({ kind = "directory", path = "./dir", text = "./dir" }, registry.parse("./dir"))
    end)

    it("that is malformed is a configuration error", function()
        local reason = failure(references.parse, "quay.io/Org/x")
        assert.equal("config", reason.class)
        assert.matches("no name of a repository", reason.message)
        assert.has_error(function()
            registry.parse("a\0b")
        end)
    end)
end)

describe("credentials", function()
    it("are looked for in the documented order", function()
        local names = {}
        for _, path in ipairs(credentials.files()) do
            table.insert(names, path:match("[^/]+/[^/]+$"))
        end
        local order = table.concat(names, " ")
        assert.truthy(order:find("containers/auth.json .docker/config.json", 1, true), order)
    end)

    it("that the caller names come before all others", function()
        local found = credentials.find({ host = "h", name = "n" }, { user = "ann", password = "open sesame" })
        assert.equal("ann", found.user)
        assert.equal("[redacted]", require("jflash.job").redact("open sesame"))
    end)

    it("come from a helper that answers in time", function()
        scratch:write("docker-credential-slow", "#!/bin/sh\nsleep 60\n")
        scratch:write("docker-credential-token", "#!/bin/sh\necho '{\"Username\":\"<token>\",\"Secret\":\"sesame\"}'\n")
        scratch:write("docker-credential-none", "#!/bin/sh\necho 'credentials not found in native keychain'\nexit 1\n")
        scratch:write("docker-credential-junk", "#!/bin/sh\necho sesame\n")
        scratch:sh("chmod +x docker-credential-*")
        local program = ([[
            local registry = require("jflash.registry")
            for _, name in ipairs({ "slow", "token", "none", "junk", "missing" }) do
                local found, message, code = registry.ask_helper(name, "docker.io", { timeout_s = 0.3 })
                print(name, code or "ok", found and found.identity_token or found and found.user, message)
            end]])
        local result = assert(sys.run({ sys.process_exe(sys.pid()), "run", scratch:write("ask.lua", program) },
            { env = { PATH = scratch.path .. ":" .. sys.getenv("PATH") } }))
        assert.equal(0, result.status, result.stderr)
        assert.matches("slow\ttimeout", result.stdout)
        assert.matches("token\tok\tsesame", result.stdout)
        assert.matches("none\tok\tnil\tnil", result.stdout)
        assert.matches("junk\tprotocol\tnil\tdocker%-credential%-junk get, for docker.io: its answer is no JSON",
            result.stdout)
        assert.matches("missing\tio", result.stdout)
    end)
end)

describe("the platform of an index", function()
    local function index(...)
        local manifests = {}
        for position, text in ipairs({ ... }) do
            local os, architecture, variant = text:match("^([^/]+)/([^/]+)/?(.*)$")
            manifests[position] = { os = os, architecture = architecture, variant = variant ~= "" and variant or nil,
                annotations = {}, text = text }
        end
        return { manifests = manifests }
    end

    it("is the board's", function()
        local cases = {
            { "arm64", "linux/arm64", "linux/amd64", "linux/arm64" },
            { "aarch64", "linux/arm64/v8", "linux/arm/v7", "linux/arm64/v8" },
            { "linux/arm64/v8", "linux/arm64", "linux/arm64" },
            { "armhf", "linux/arm/v7", "linux/arm/v6", "linux/arm/v7" },
            { "x86_64", "linux/amd64", "windows/amd64", "linux/amd64" },
            { nil, "linux/arm64", "linux/arm64", "unknown/unknown" },
        }
        for _, case in ipairs(cases) do
            local found = platform.choose(index(table.unpack(case, 3, 9)), case[1], "x")
            assert.equal(case[2], found.text)
        end
    end)

    it("is never guessed", function()
        local cases = {
            { "riscv64", "missing", "linux/arm64" },
            { nil, "ambiguous", "linux/arm64", "linux/amd64" },
            { "arm", "ambiguous", "linux/arm/v6", "linux/arm/v7" },
            { "arm64", "missing", "windows/arm64" },
            { nil, "missing" },
        }
        for _, case in ipairs(cases) do
            local reason = failure(platform.choose, index(table.unpack(case, 3, 9)), case[1], "x")
            assert.equal("config", reason.class)
            assert.equal(case[2], reason.code, reason.message)
            for _, text in ipairs({ table.unpack(case, 3, 9) }) do
                assert.truthy(reason.message:find(text, 1, true), reason.message)
            end
        end
    end)
end)

describe("jflash.lock", function()
    local DIGEST = "sha256:" .. ("a"):rep(64)

    it("is written and read", function()
        local path = lockfile.write(scratch.path, "oci://h/a:1", DIGEST)
        lockfile.write(scratch.path, "oci://h/b:1", DIGEST)
        assert.same({ DIGEST, path }, { lockfile.find({ "/nonexistent", scratch.path }, "oci://h/a:1") })
        assert.is_nil(lockfile.find({ scratch.path }, "oci://h/c:1"))
    end)

    it("that is damaged is refused", function()
        for text, words in pairs({
            ["{"] = "jflash.lock:1",
            ["[]"] = "is no lock file",
            ['{"version": 2, "references": {}}'] = "has the version 2",
            ['{"version": 1, "references": {"x": "sha256:1"}}'] = "x has no digest",
        }) do
            scratch:write("jflash.lock", text)
            local reason = failure(lockfile.find, { scratch.path }, "x")
            assert.equal("config", reason.class)
            assert.matches(words, reason.message)
        end
    end)
end)

describe("a layer", function()
    local TAR = "application/vnd.oci.image.layer.v1.tar+gzip"

    local function plan(media_type, annotations)
        return layers.plan({ layers = { { media_type = media_type, annotations = annotations or {} } } }, "x")[1]
    end

    local function titled(title, more)
        return { ["org.opencontainers.image.title"] = title, ["io.deis.oras.content.unpack"] = more }
    end

    it("is a file under its title, or an archive", function()
        assert.equal("file", plan("application/octet-stream", titled("data/Image")).kind)
        assert.equal("file", plan(TAR, titled("data.tar.gz")).kind)
        assert.equal("archive", plan(TAR, titled("data", "true")).kind)
        assert.equal("archive", plan(TAR).kind)
        assert.matches("has no title", failure(plan, "application/octet-stream").message)
        assert.matches("no layers", failure(plan, "application/vnd.oci.empty.v1+json").message)
    end)

    it("stays in the folder", function()
        for _, title in ipairs({ "../evil", "/etc/evil", "data/../../evil", "data//evil", "./evil", "evil/", "", ".",
            "..", "a\nb", "a\\b", ("x"):rep(300), ("x/"):rep(600) .. "x" }) do
            local reason = failure(plan, "application/octet-stream", titled(title))
            assert.equal("source", reason.class)
            assert.matches("file's name", reason.message)
        end
    end)

    it("is placed over no link, and not twice", function()
        local blob = scratch:write("blob", "content")
        local sha256 = image.sha256("content")
        scratch:sh("mkdir tree outside && ln -s ../outside tree/data && ln -s ../outside/file tree/file")
        for _, put in ipairs({ registry.place, registry.link }) do
            assert.is_nil((put(blob, scratch:file("tree"), "data/evil", sha256)))
            assert.is_nil((put(blob, scratch:file("tree"), "file", sha256)))
            assert.is_true(put(blob, scratch:file("tree"), put == registry.place and "a/b/c" or "a/b/d", sha256))
            assert.is_nil((put(blob, scratch:file("tree"), "a/b/c", sha256)))
        end
        assert.same({}, sys.list(scratch:file("outside")))
        local ok, _, code = registry.place(blob, scratch:file("tree"), "wrong", ("0"):rep(64))
        assert.same({ nil, "checksum" }, { ok, code })
        assert.is_nil(sys.stat(scratch:file("tree/wrong")))
    end)
end)

describe("a tree in the cache", function()
    local SHA256 = ("b"):rep(64)
    local cache, filled

    local function fill(dir)
        filled = filled + 1
        assert(sys.write_file(dir .. "/file", "content"))
        return {}
    end

    before_each(function()
        filled = 0
        cache = caches.open({ cache_dir = scratch:file("cache"), cache_limit = 1 << 20 })
    end)

    it("is filled once, and again when it was changed", function()
        for _ = 1, 2 do
            trees.open(cache, SHA256, "x", fill):close()
        end
        assert.equal(1, filled)
        local path = cache:file("trees", SHA256)
        for index, damage in ipairs({ "echo other >file", "rm file", "touch more", "ln -s file link" }) do
            scratch:sh(("cd %s && %s"):format(path, damage))
            trees.open(cache, SHA256, "x", fill):close()
            assert.equal(index + 1, filled, damage)
        end
    end)

    it("that a dead run left half made is made anew", function()
        scratch:sh(("mkdir -p %s/x %s.new/y"):format(cache:file("trees", SHA256), cache:file("trees", SHA256)))
        trees.open(cache, SHA256, "x", fill):close()
        assert.same({ "file" }, sys.list(cache:file("trees", SHA256)))
        assert.is_nil(sys.stat(cache:file("trees", SHA256) .. ".new"))
    end)

    it("whose filling fails is not there", function()
        assert.equal("config", failure(trees.open, cache, SHA256, "x", function()
            errors.raise({ class = "config", message = "no" })
        end).class)
        assert.same({}, sys.list(cache:file("trees", "")))
    end)

    it("is not evicted while it is held", function()
        cache.limit = 0
        local held <close> = trees.open(cache, SHA256, "x", fill)
        cache:trim()
        assert.truthy(sys.stat(held.path))
        held:close()
        cache:trim()
        assert.is_nil(sys.stat(held.path))
        assert.same({}, cache:entries())
    end)
end)
