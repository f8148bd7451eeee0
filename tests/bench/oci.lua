-- SPDX-License-Identifier: Apache-2.0
--
-- A cold pull of 200 MB from docker-registry, in one layer and in 20, beside skopeo and
-- beside bare curl which compares no digests: time, and our memory.
local root = arg[0]:match("^(.*)/tests/[^/]*/[^/]*$") or "."
package.path = package.path .. ";" .. root .. "/?.lua"

local bench = require("tests.support.bench")
local image = require("jflash.image")
local job = require("jflash.job")
local registries = require("tests.support.registry")
local scratches = require("tests.support.scratch")
local sys = require("jflash.sys")

local ROUNDS = 5
local TOTAL_BYTES = 200000000
local GOALS = { -- of skopeo's time
    [1] = { must = 0.6, aim = 0.45 },
    [20] = { must = 0.9, aim = 0.65 },
}
local MEMORY_MUST_MIB = 40

local program = sys.process_exe(sys.pid())
local scratch <close> = scratches.new()
local server <close> = registries.start(scratch)

-- Bytes that no file system and no server packs, and quickly made.
local function content(size_bytes, seed)
    local path = scratch:file("content")
    scratch:sh(("openssl enc -aes-128-ctr -K %032x -iv 0 -in /dev/zero 2>/dev/null | head -c %d >content"):format(
        seed, size_bytes))
    return path
end

-- Puts an artifact of `count` layers there; returns the layers' URLs.
local function put(count)
    local layers, urls = {}, {}
    local repository = ("bench/layers-%d"):format(count)
    for index = 1, count do
        local path = content(TOTAL_BYTES // count, index)
        layers[index] = server:put_file(repository, path, assert(image.sha256_file(path)),
            "application/vnd.oci.image.layer.v1.tar", { [registries.TITLE] = ("data/%d"):format(index) })
        urls[index] = ("http://%s/v2/%s/blobs/%s"):format(server.host, repository, layers[index].digest)
    end
    local config = server:put_blob(repository, '{"architecture":"arm64","os":"linux"}',
        "application/vnd.oci.image.config.v1+json")
    server:put_manifest(repository, "1", { schemaVersion = 2, mediaType = registries.MANIFEST, config = config,
        layers = layers })
    return repository, urls
end

-- Seconds of a command, and its largest resident set in MiB.
local function measure(argv)
    local start = job.now()
    local result = assert(sys.run({ "/usr/bin/time", "-f", "%M", table.unpack(argv) }, { timeout_s = 300 }))
    local seconds = job.now() - start
    assert(result.status == 0, result.stderr)
    return seconds, tonumber(result.stderr:match("(%d+)%s*$")) / 1024
end

local function clean(...)
    for _, name in ipairs({ ... }) do
        assert(sys.remove_tree(scratch:file(name)))
    end
end

local function ours(repository)
    clean("cache")
    return measure({ program, "bundle", "pull", server.host .. "/" .. repository .. ":1", "-q", "--plain-http",
        "--cache-dir", scratch:file("cache") })
end

local function skopeo(repository)
    clean("copy")
    return measure({ "skopeo", "--policy", scratch:file("policy.json"), "copy", "-q", "--src-tls-verify=false",
        ("docker://%s/%s:1"):format(server.host, repository), "dir:" .. scratch:file("copy") })
end

-- All layers by one curl, four at a time as ours, without a look at their digests.
local function curl(urls)
    clean("curl")
    assert(sys.mkdir(scratch:file("curl")))
    local argv = { "curl", "-sf", "--parallel", "--parallel-max", "4" }
    for index, url in ipairs(urls) do
        table.move({ "-o", scratch:file("curl/" .. index), url }, 1, 3, #argv + 1, argv)
    end
    return measure(argv)
end

local function compare(count)
    local repository, urls = put(count)
    local times, memory = { ours = {}, skopeo = {}, curl = {} }, 0
    for _ = 1, ROUNDS do
        local seconds, mib = ours(repository)
        table.insert(times.ours, seconds)
        memory = math.max(memory, mib)
        table.insert(times.skopeo, (skopeo(repository)))
        table.insert(times.curl, (curl(urls)))
    end
    local own = bench.median(times.ours)
    local what = ("OCI pull, 200 MB in %d layer%s"):format(count, count == 1 and "" or "s")
    for _, peer in ipairs({ "skopeo", "curl" }) do
        local theirs = bench.median(times[peer])
        local goals = peer == "skopeo" and GOALS[count] or {}
        bench.report({ what = what, unit = "s", ours = own, peer = peer, theirs = theirs, ratio = own / theirs,
            must = goals.must, aim = goals.aim, better = "lower" })
    end
    bench.report({ what = what .. ", memory", unit = "MiB", ours = memory, peer = "the limit",
        theirs = MEMORY_MUST_MIB, ratio = memory / MEMORY_MUST_MIB, must = 1, aim = 0.5, better = "lower" })
end

scratch:write("policy.json", '{"default":[{"type":"insecureAcceptAnything"}]}')
for _, count in ipairs({ 1, 20 }) do
    compare(count)
end
