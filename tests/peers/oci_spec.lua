-- SPDX-License-Identifier: Apache-2.0
--
-- Bundles from real registries: docker-registry, open, with passwords, with TLS; and
-- what skopeo pushed.
local image = require("jflash.image")
local json = require("jflash.json")
local oci = require("tests.support.oci")
local registries = require("tests.support.registry")
local scratches = require("tests.support.scratch")
local sys = require("jflash.sys")

local FILES = oci.FILES

local scratch, puller

local function read(path)
    local file <close> = assert(io.open(path, "rb"))
    return file:read("a")
end

local function check_files(folder)
    for _, file in ipairs(FILES) do
        assert.equal(file[2], read(folder .. "/" .. file[1]))
    end
end

before_each(function()
    scratch = scratches.new()
    puller = oci.new(scratch:file("cache"))
end)
after_each(function()
    scratch:close()
end)

describe("an open registry", function()
    local place, server, digest
    setup(function()
        place = scratches.new()
        server = registries.start(place)
        digest = server:put_artifact("org/bundle", "1", FILES)
    end)
    teardown(function()
        server:close()
        place:close()
    end)

    it("gives a bundle, by tag and by digest", function()
        for _, reference in ipairs({ "/org/bundle:1", "/org/bundle@" .. digest, "/org/bundle:9@" .. digest }) do
            local pulled <close> = puller:pull("oci://" .. server.host .. reference)
            assert.equal(digest, pulled.digest)
            check_files(pulled.path)
        end
        assert.same({}, puller:names("partial"))
    end)

    it("is not asked for what is in the cache", function()
        puller:pull("oci://" .. server.host .. "/org/bundle@" .. digest):close()
        local again <close> = puller:pull("oci://" .. server.host .. "/org/bundle@" .. digest, { offline = true })
        check_files(again.path)
        local by_tag = puller:failure("oci://" .. server.host .. "/org/bundle:1", { offline = true })
        assert.matches("%-%-offline forbids", by_tag.message)
        puller:pull("oci://" .. server.host .. "/org/bundle:1"):close()
        puller:pull("oci://" .. server.host .. "/org/bundle:1", { offline = true }):close()
    end)

    it("has no such tag", function()
        local failure = puller:failure("oci://" .. server.host .. "/org/bundle:none")
        assert.equal("source", failure.class)
        assert.matches("/org/bundle:none: the server answered 404", failure.message)
        assert.matches("is the reference right", failure.hint)
    end)

    it("has another manifest than the digest says", function()
        local wrong = "sha256:" .. ("0"):rep(64)
        local failure = puller:failure("oci://" .. server.host .. "/org/bundle@" .. wrong)
        assert.equal("source", failure.class)
        assert.matches("404", failure.message)
    end)

    it("is obeyed as jflash.lock says", function()
        local reference = "oci://" .. server.host .. "/org/moving:latest"
        local first = server:put_artifact("org/moving", "latest", FILES)
        do
            local pulled <close> = puller:pull(reference)
            assert.equal(scratch:file("jflash.lock"), pulled:write_lock(scratch.path))
        end
        local second = server:put_artifact("org/moving", "latest", { { "manifest.yaml", "another" } })
        assert.not_equal(first, second)
        local locked <close> = puller:pull(reference, { lock_folders = { "/nonexistent", scratch.path } })
        assert.equal(first, locked.digest)
        local free <close> = puller:pull(reference)
        assert.equal(second, free.digest)
        assert.same({ version = 1, references = { [reference] = first } },
            json.decode(scratch:read("jflash.lock")))
    end)

    it("gives the manifest for the board's architecture", function()
        local entries = {}
        for index, platform in ipairs({ { os = "linux", architecture = "amd64" },
            { os = "linux", architecture = "arm64", variant = "v8" } }) do
            local own, text = server:put_artifact("org/many", platform.architecture,
                { { "manifest.yaml", platform.architecture } })
            entries[index] = { mediaType = registries.MANIFEST, digest = own, size = #text, platform = platform }
        end
        local whole = server:put_manifest("org/many", "all", { schemaVersion = 2, mediaType = registries.INDEX,
            manifests = entries }, registries.INDEX)
        local reference = "oci://" .. server.host .. "/org/many:all"
        local pulled <close> = puller:pull(reference, { arch = "aarch64" })
        assert.equal("arm64", read(pulled.path .. "/manifest.yaml"))
        assert.equal(entries[2].digest, pulled.digest)
        assert.equal(whole, pulled.tag_digest)
        for arch, words in pairs({
            riscv64 = "without a manifest for riscv64; its platforms: linux/amd64, linux/arm64/v8",
            [""] = "which one is meant is not known; its platforms: linux/amd64",
        }) do
            local failure = puller:failure(reference, { arch = arch ~= "" and arch or nil })
            assert.equal("config", failure.class)
            assert.truthy(failure.message:find(words, 1, true), failure.message)
        end
    end)

    it("may hold names that lead out of the folder: they are refused", function()
        for index, name in ipairs({ "data/../../evil", "/etc/evil" }) do
            server:put_artifact("org/evil", tostring(index), { { name, "x" } })
            local failure = puller:failure(("oci://%s/org/evil:%d"):format(server.host, index))
            assert.equal("source", failure.class, name)
            assert.matches("layer 1: .*file's name", failure.message)
        end
        server:put_artifact("org/evil", "twice", { { "a", "1" }, { "a", "2" } })
        assert.matches('the file\'s name "a" is there twice',
            puller:failure("oci://" .. server.host .. "/org/evil:twice").message)
        server:put_artifact("org/evil", "under", { { "a", "1" }, { "a/b", "2" } })
        assert.equal("host", puller:failure("oci://" .. server.host .. "/org/evil:under").class)
        assert.same({}, puller:names("trees"))
    end)

    it("may lie about a layer's size", function()
        for tag, size in pairs({ smaller = 3, larger = 300 }) do
            local layer = server:put_blob("org/liar", "ten bytes!", "application/octet-stream",
                { [registries.TITLE] = "file" })
            layer.size = size
            local rest = server:put_blob("org/liar", "{}", "application/vnd.oci.empty.v1+json")
            server:put_manifest("org/liar", tag, { schemaVersion = 2, mediaType = registries.MANIFEST, config = rest,
                layers = { layer } })
            local failure = puller:failure(("oci://%s/org/liar:%s"):format(server.host, tag))
            assert.equal("source", failure.class)
            assert.matches("the registry has 10 bytes, the manifest says " .. size, failure.message)
            assert.is_nil(table.concat(puller:names("blobs")):find(layer.digest:sub(8), 1, true))
        end
    end)

    it("gives what skopeo pushed", function()
        -- An image layout made by hand, copied into the registry by skopeo.
        local layout = scratch:file("layout")
        scratch:sh("mkdir -p layout/blobs/sha256")
        local function blob(bytes, media_type, annotations)
            local hex = image.sha256(bytes)
            scratch:write("layout/blobs/sha256/" .. hex, bytes)
            return { mediaType = media_type, digest = "sha256:" .. hex, size = #bytes, annotations = annotations }
        end
        local layers = {}
        for index, file in ipairs(FILES) do
            layers[index] = blob(file[2], "application/vnd.oci.image.layer.v1.tar", { [registries.TITLE] = file[1] })
        end
        local config = blob(json.encode({ architecture = "arm64", os = "linux", config = {},
            rootfs = { type = "layers", diff_ids = setmetatable({}, json.array) } }),
            "application/vnd.oci.image.config.v1+json")
        local manifest = blob(json.encode({ schemaVersion = 2, mediaType = registries.MANIFEST, config = config,
            layers = layers }), registries.MANIFEST)
        scratch:write("layout/oci-layout", '{"imageLayoutVersion":"1.0.0"}')
        manifest.annotations = { ["org.opencontainers.image.ref.name"] = "x" }
        scratch:write("layout/index.json", json.encode({ schemaVersion = 2, manifests = { manifest } }))
        local policy = scratch:write("policy.json", '{"default":[{"type":"insecureAcceptAnything"}]}')
        local function skopeo(...)
            local result = assert(sys.run({ "skopeo", "--policy", policy, ... }))
            assert.equal(0, result.status, result.stderr)
        end
        skopeo("copy", "--preserve-digests", "--dest-tls-verify=false", "oci:" .. layout .. ":x",
            ("docker://%s/org/skopeo:1"):format(server.host))
        local pulled <close> = puller:pull(("oci://%s/org/skopeo:1"):format(server.host))
        assert.equal(manifest.digest, pulled.digest)
        check_files(pulled.path)
    end)
end)

describe("a registry with passwords", function()
    local place, server
    setup(function()
        place = scratches.new()
        server = registries.start(place, { user = "ann", password = "open sesame" })
        server:put_artifact("org/bundle", "1", FILES)
    end)
    teardown(function()
        server:close()
        place:close()
    end)

    -- The program's own environment, without this machine's credentials.
    local function run(env, ...)
        local all = { HOME = scratch.path, XDG_RUNTIME_DIR = false, REGISTRY_AUTH_FILE = false, DOCKER_CONFIG = false }
        for key, value in pairs(env) do
            all[key] = value
        end
        local result = assert(sys.run({ sys.process_exe(sys.pid()), "bundle", "pull", server.host .. "/org/bundle:1",
            "--cache-dir", puller.cache, ... }, { env = all }))
        assert.is_nil((result.stdout .. result.stderr):find("sesame", 1, true), "a secret was shown")
        return result
    end

    local function auth(entry)
        return json.encode({ auths = { [server.host] = entry } })
    end

    it("lets in whom it knows, from each place", function()
        assert.equal(0, run({ OCI_USERNAME = "ann", OCI_PASSWORD = "open sesame" }).status)
        local encoded = "YW5uOm9wZW4gc2VzYW1l"
        local cases = {
            { "auth.json", auth({ auth = encoded }), { REGISTRY_AUTH_FILE = scratch:file("auth.json") } },
            { "run/containers/auth.json", auth({ auth = encoded }), { XDG_RUNTIME_DIR = scratch:file("run") } },
            { "home/.config/containers/auth.json", auth({ username = "ann", password = "open sesame" }),
                { HOME = scratch:file("home") } },
            { "docker/config.json", auth({ auth = encoded }), { DOCKER_CONFIG = scratch:file("docker") } },
            { "home2/.docker/config.json", auth({ auth = encoded }), { HOME = scratch:file("home2") } },
        }
        scratch:sh("mkdir -p run/containers home/.config/containers docker home2/.docker")
        for index, case in ipairs(cases) do
            puller = oci.new(scratch:file("cache" .. index))
            scratch:write(case[1], case[2])
            local result = run(case[3])
            assert.equal(0, result.status, case[1] .. ": " .. result.stderr)
        end
    end)

    it("lets in whom a credential helper names", function()
        scratch:sh("mkdir -p bin .docker")
        local helper = scratch:write("bin/docker-credential-test",
            "#!/bin/sh\nread -r host; echo \"$1 $host\" >>\"$HOME/asked\"\n"
            .. [[echo '{"Username":"ann","Secret":"open sesame"}']] .. "\n")
        scratch:sh("chmod +x bin/docker-credential-test")
        assert(helper)
        local path = { PATH = scratch:file("bin") .. ":" .. sys.getenv("PATH") }
        for _, config in ipairs({ { credHelpers = { [server.host] = "test" } },
            { auths = { [server.host] = {} }, credsStore = "test" } }) do
            scratch:write(".docker/config.json", json.encode(config))
            local result = run(path)
            assert.equal(0, result.status, result.stderr)
        end
        assert.equal(("get %s\n"):format(server.host):rep(2), scratch:read("asked"))
        scratch:sh("printf '#!/bin/sh\\nexit 3\\n' >bin/docker-credential-test")
        local failed = run(path)
        assert.equal(4, failed.status)
        assert.matches("docker%-credential%-test get, for .*: failed with status 3", failed.stderr)
    end)

    it("keeps others out, and says so", function()
        local nobody = run({})
        assert.equal(3, nobody.status)
        assert.matches("the server answered 401", nobody.stderr)
        assert.matches("no credentials for .* were found; podman login", nobody.stderr)
        local wrong = run({ OCI_USERNAME = "ann", OCI_PASSWORD = "wrong" })
        assert.equal(3, wrong.status)
        assert.matches("the credentials of ann, from OCI_USERNAME and OCI_PASSWORD, were refused", wrong.stderr)
        local half = run({ OCI_USERNAME = "ann" })
        assert.equal(2, half.status)
        assert.matches("OCI_USERNAME is set, but not OCI_PASSWORD", half.stderr)
        local damaged = run({ REGISTRY_AUTH_FILE = scratch:write("bad.json", '{"auths": "sesame"') })
        assert.equal(2, damaged.status)
        local missing = run({ REGISTRY_AUTH_FILE = scratch:file("none.json") })
        assert.equal(2, missing.status)
    end)
end)

describe("a registry with TLS from an authority of one's own", function()
    local place, server, reference
    setup(function()
        place = scratches.new()
        server = registries.start(place, { tls = true })
        server:put_artifact("org/bundle", "1", FILES)
        reference = "oci://" .. server.host .. "/org/bundle:1"
    end)
    teardown(function()
        server:close()
        place:close()
    end)

    it("is trusted when it is told so", function()
        local unknown = puller:failure(reference)
        assert.equal("source", unknown.class)
        assert.matches("ertificate", unknown.message)
        assert.matches("%-%-cacert FILE", unknown.hint)
        puller:pull(reference, { cacert = server.cacert }):close()
        puller = oci.new(scratch:file("cache2"))
        puller:pull(reference, { insecure = true }):close()
    end)

    it("is not spoken to without TLS", function()
        assert.equal("source", puller:failure(reference, { plain_http = true }).class)
    end)
end)
