-- SPDX-License-Identifier: Apache-2.0
--
-- `jflash bundle push`: to real registries and to layouts. What it pushes is pulled by
-- skopeo and by jflash.
local image = require("jflash.image")
local json = require("jflash.json")
local oci = require("tests.support.oci")
local registries = require("tests.support.registry")
local scratches = require("tests.support.scratch")
local sys = require("jflash.sys")

local MANIFEST = [[
apiVersion: jumpstarter.dev/v1alpha1
kind: FlashBundleManifest
metadata: {name: test-board}
spec:
  manufacturer: test
  bootcmd: booti 0x1000 0x2000 0x3000
  shelltype: busybox
  login: {login_prompt: "login:", prompt: "#"}
  default_target: usd
  targets: {usd: /dev/sda}
  kernel: {file: data/Image, address: "0x1000"}
  initram: {file: data/initramfs, address: "0x2000"}
]]
local BIG = ("0123456789abcdef"):rep(1 << 17) -- 2 MiB

local scratch, puller

before_each(function()
    scratch = scratches.new()
    puller = oci.new(scratch:file("cache"))
    scratch:sh("mkdir -p bundle/data bundle/.git && ln -s manifest.yaml bundle/manifest-b.yaml")
    scratch:write("bundle/manifest.yaml", MANIFEST)
    scratch:write("bundle/data/Image", BIG)
    scratch:write("bundle/data/initramfs", "initramfs")
    scratch:write("bundle/.git/config", "not a part of it")
    scratch:write("policy.json", '{"default":[{"type":"insecureAcceptAnything"}]}')
end)
after_each(function()
    scratch:close()
end)

local function read(path)
    local file <close> = assert(io.open(path, "rb"))
    return file:read("a")
end

local function run(env, ...)
    local all = { HOME = scratch.path, XDG_RUNTIME_DIR = false, REGISTRY_AUTH_FILE = false, DOCKER_CONFIG = false }
    for key, value in pairs(env) do
        all[key] = value
    end
    local result = assert(sys.run({ sys.process_exe(sys.pid()), "bundle", ... }, { env = all, cwd = scratch.path,
        timeout_s = 60 }))
    assert.is_nil((result.stdout .. result.stderr):find("sesame", 1, true), "a secret was shown")
    return result
end

local function push(to, ...)
    local result = run({}, "push", "bundle", to, ...)
    assert.equal(0, result.status, result.stderr)
    return result.stdout:match("(sha256:%x+)\n$"), result.stderr
end

local function check_files(folder)
    assert.equal(MANIFEST, read(folder .. "/manifest.yaml"))
    assert.equal(MANIFEST, read(folder .. "/manifest-b.yaml"))
    assert.equal(BIG, read(folder .. "/data/Image"))
    assert.equal("initramfs", read(folder .. "/data/initramfs"))
    assert.is_nil(sys.stat(folder .. "/.git"))
end

local function skopeo(...)
    local result = assert(sys.run({ "skopeo", "--policy", scratch:file("policy.json"), "copy", "--preserve-digests",
        "--src-tls-verify=false", ... }))
    assert.equal(0, result.status, result.stderr)
end

describe("a bundle that is pushed", function()
    local place, server
    setup(function()
        place = scratches.new()
        server = registries.start(place)
    end)
    teardown(function()
        server:close()
        place:close()
    end)

    it("is pulled as it was, and not sent again", function()
        local reference = server.host .. "/org/pushed:1"
        local digest, words = push(reference, "--annotation", "org.example.team=lab")
        assert.matches("data/Image: 2.1 MB pushed", words)
        local pulled <close> = puller:pull("oci://" .. reference)
        assert.equal(digest, pulled.digest)
        check_files(pulled.path)
        assert.equal("application/vnd.oci.bundle.v1", pulled.manifest.artifact_type)
        assert.same({ ["org.example.team"] = "lab", ["org.opencontainers.image.title"] = "test-board" },
            pulled.manifest.annotations)
        local types = {}
        for _, layer in ipairs(pulled.manifest.layers) do
            types[layer.annotations[registries.TITLE]] = layer.media_type
        end
        assert.same({ ["manifest.yaml"] = "application/yaml", ["manifest-b.yaml"] = "application/yaml",
            ["data/Image"] = "application/octet-stream", ["data/initramfs"] = "application/octet-stream" }, types)

        scratch:sh("touch -d 2001-01-01 bundle/data/* && chmod 600 bundle/data/Image")
        local again, more = push("oci://" .. server.host .. "/org/pushed:2", "--annotation", "org.example.team=lab")
        assert.equal(digest, again)
        assert.matches("data/Image: there already", more)
    end)

    it("is pulled by skopeo, from the registry and from a layout", function()
        local digest = push(server.host .. "/org/pushed:skopeo")
        skopeo("docker://" .. server.host .. "/org/pushed:skopeo", "oci:" .. scratch:file("out") .. ":x")
        skopeo("docker://" .. server.host .. "/org/pushed:skopeo", "dir:" .. scratch:file("plain"))
        assert.equal(digest, "sha256:" .. image.sha256(scratch:read("plain/manifest.json")))
        assert.equal(BIG, scratch:read("plain/" .. image.sha256(BIG)))
        assert.equal(digest, json.decode(scratch:read("out/index.json")).manifests[1].digest)

        assert.equal(digest, (push("oci-layout:layout:one")))
        assert.equal(digest, (push("oci-layout:layout:one")))
        scratch:write("bundle/data/initramfs", "another")
        local other = push("oci-layout:layout:two")
        assert.not_equal(digest, other)
        assert.equal(2, #json.decode(scratch:read("layout/index.json")).manifests)
        skopeo("oci:" .. scratch:file("layout") .. ":two", "dir:" .. scratch:file("copy"))
        assert.equal("another", scratch:read("copy/" .. image.sha256("another")))
        scratch:write("bundle/data/initramfs", "initramfs")
        local pulled <close> = puller:pull("oci-layout:" .. scratch:file("layout") .. ":one")
        assert.equal(digest, pulled.digest)
        check_files(pulled.path)
    end)

    it("is refused when it is no sound bundle, or goes nowhere", function()
        for words, args in pairs({
            ["where to"] = { "push", "bundle" },
            ["is no place to push to"] = { "push", "bundle", server.host .. "/org/x@sha256:" .. ("0"):rep(64) },
            ["is no folder"] = { "push", "oci://" .. server.host .. "/org/pushed:1", server.host .. "/org/x:1" },
            ["expected KEY=VALUE"] = { "push", "bundle", server.host .. "/org/x:1", "--annotation", "key" },
        }) do
            local result = run({}, table.unpack(args))
            assert.equal(2, result.status, result.stderr)
            assert.truthy(result.stderr:find(words, 1, true), result.stderr)
        end
        scratch:sh("rm bundle/data/initramfs")
        local result = run({}, "push", "bundle", server.host .. "/org/broken:1")
        assert.equal(2, result.status)
        assert.matches("data/initramfs' is not in the bundle", result.stderr)
        assert.equal("404", server:curl("/v2/org/broken/manifests/1"))
    end)
end)

describe("an upload", function()
    local first, second
    before_each(function()
        first, second = registries.stand_in(scratch), registries.stand_in(scratch)
    end)
    after_each(function()
        first:close()
        second:close()
    end)

    -- Where the registry says that blobs are to go; what it does at first.
    local function begin(location, rules)
        local all = { { path = "/v2/org/x/blobs/uploads/", status = 202,
            headers = location and { Location = location } } }
        table.move(rules or {}, 1, #(rules or {}), 1 + #all, all)
        table.insert(all, { path = "/v2/org/x/manifests/1", status = 201 })
        first:rules({ auth = { user = "ann", password = "open-sesame" }, rules = all })
    end

    local function push_to_first()
        return run({ OCI_USERNAME = "ann", OCI_PASSWORD = "open-sesame" }, "push", "bundle", first.host .. "/org/x:1")
    end

    local function puts(server)
        local found = {}
        for _, request in ipairs(server:requests()) do
            if request.method == "PUT" and request.path:find("digest=", 1, true) then
                table.insert(found, request)
            end
        end
        return found
    end

    it("goes where the registry says, and shows its token to the registry alone", function()
        begin("/up/here?state=1", { { path = "/up/here", status = 201 } })
        local result = push_to_first()
        assert.equal(0, result.status, result.stderr)
        local own = puts(first)
        assert.equal(4, #own) -- two manifests are one blob
        assert.matches("^/up/here%?state=1&digest=sha256:%x+$", (own[1].path:gsub("%%3A", ":")))
        assert.matches("^Bearer t%d", own[1].headers.Authorization)
        assert.matches("scope=[^&]*pull%%2Cpush", first:requests()[3].path)

        begin(second.url .. "/store?sig=x")
        second:rules({ rules = { { path = "/store", status = 201 } } })
        result = push_to_first()
        assert.equal(0, result.status, result.stderr)
        assert.equal(4, #puts(second))
        for _, request in ipairs(second:requests()) do
            assert.is_nil(request.headers.Authorization)
        end
    end)

    it("is refused, or goes nowhere", function()
        for words, case in pairs({
            ["does not say where an upload is to go"] = { nil },
            ["answered 413"] = { "/up", { { path = "/up", status = 413 } } },
            ["answered 307"] = { "/up", { { path = "/up", status = 307,
                headers = { Location = second.url .. "/x" } } } },
            ["where jflash does not go"] = { "ftp://127.0.0.1/up" },
        }) do
            begin(case[1], case[2])
            local result = push_to_first()
            assert.equal(3, result.status, result.stderr)
            assert.truthy(result.stderr:find(words, 1, true), result.stderr)
        end
        assert.same({}, second:requests())
    end)
end)

describe("a registry with TLS and passwords", function()
    local place, server
    setup(function()
        place = scratches.new()
        server = registries.start(place, { tls = true, user = "ann", password = "open-sesame" })
    end)
    teardown(function()
        server:close()
        place:close()
    end)

    it("takes a bundle from whom it knows", function()
        local known = { OCI_USERNAME = "ann", OCI_PASSWORD = "open-sesame" }
        local to = server.host .. "/org/pushed:1"
        local result = run(known, "push", "bundle", to, "--cacert", server.cacert)
        assert.equal(0, result.status, result.stderr)
        assert.equal(0, run(known, "push", "bundle", to, "-k").status)
        result = run({}, "push", "bundle", to, "--cacert", server.cacert)
        assert.equal(3, result.status)
        assert.matches("401", result.stderr)
        assert.matches("no credentials for", result.stderr)
        result = run(known, "push", "bundle", to)
        assert.equal(3, result.status)
        assert.matches("ertificate", result.stderr)
    end)
end)
