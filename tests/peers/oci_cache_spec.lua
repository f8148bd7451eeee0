-- SPDX-License-Identifier: Apache-2.0
--
-- The cache of what registries gave, shared by runs that are killed, cancelled, or at
-- work at the same time.
local image = require("jflash.image")
local job = require("jflash.job")
local oci = require("tests.support.oci")
local registries = require("tests.support.registry")
local scratches = require("tests.support.scratch")
local sys = require("jflash.sys")

local FILES = oci.FILES
local BIG = { { "data/big", ("0123456789abcdef"):rep(1 << 16) } } -- 1 MiB

local scratch, puller, server

local function reference(what)
    return ("oci://%s/org/bundle%s"):format(server.host, what or ":1")
end

-- Serves an artifact; `more` goes into the rules.
local function serve(files, changes, more)
    local rules, digest = server:artifact("org/bundle", "1", files, changes)
    local all = { rules = rules }
    for key, value in pairs(more or {}) do
        all[key] = value
    end
    server:rules(all)
    return digest
end

local function pulls(settings)
    local pulled <close> = puller:pull(reference(), settings)
    return pulled.path
end

-- The requests for a kind of thing.
local function requests(pattern)
    local found = {}
    for _, request in ipairs(server:requests()) do
        if request.path:find(pattern) then
            table.insert(found, request)
        end
    end
    return found
end

before_each(function()
    scratch = scratches.new()
    puller = oci.new(scratch:file("cache"))
    server = registries.stand_in(scratch)
end)
after_each(function()
    server:close()
    scratch:close()
end)

it("a pull is cancelled at once, whatever it waits for", function()
    local cases = {
        { name = "a blob", pattern = "/blobs/", changes = { blob = { { hang = 100 } } } },
        { name = "a token, which all blobs wait for", pattern = "^/token", count = 2,
            auth = { uses = 2, silent_after = 1 } },
    }
    local files = {}
    for index = 1, 4 do
        files[index] = { "data/" .. index, (tostring(index)):rep(1000) }
    end
    for index, case in ipairs(cases) do
        serve(files, case.changes, { auth = case.auth })
        local run = assert(sys.spawn({ sys.process_exe(sys.pid()), "bundle", "pull", reference(), "--cache-dir",
            scratch:file("cache" .. index) }, { stdout = scratch:file("out"), stderr = scratch:file("err") }))
        local deadline = job.now() + 20
        while #requests(case.pattern) < (case.count or 1) do
            assert(job.now() < deadline, case.name .. ": " .. scratch:read("err"))
            job.sleep(0.02)
        end
        assert(run:kill("INT"))
        local start = job.now()
        assert.equal(130, assert(run:wait({ timeout_s = 20 })).status, case.name)
        assert.is_true(job.now() - start < 5, case.name)
        run:close()
    end
end)

it("a registry is asked over the proxy that the environment names", function()
    serve(FILES)
    local result = assert(sys.run({ sys.process_exe(sys.pid()), "bundle", "pull", "registry.invalid:5000/org/bundle:1",
        "--plain-http", "--cache-dir", puller.cache }, { env = { http_proxy = server.url, no_proxy = false,
        HOME = scratch.path } }))
    assert.equal(0, result.status, result.stderr)
    assert.equal("http://registry.invalid:5000/v2/org/bundle/manifests/1", server:requests()[1].path)
end)

describe("the cache", function()
    local function start_run(index)
        return assert(sys.spawn({ sys.process_exe(sys.pid()), "bundle", "pull", reference(), "--cache-dir",
            puller.cache }, { stdout = scratch:file("out"), stderr = scratch:file("err" .. index) }))
    end

    it("is shared by runs at the same time: each blob comes once", function()
        local files = {}
        for index = 1, 6 do
            files[index] = { "data/" .. index, (tostring(index)):rep(300000) }
        end
        serve(files, { blob = { { pace = 0.02 } } })
        local runs = {}
        for index = 1, 4 do
            runs[index] = start_run(index)
        end
        for index, run in ipairs(runs) do
            assert.equal(0, assert(run:wait({ timeout_s = 60 })).status, scratch:read("err" .. index))
            run:close()
        end
        assert.equal(#files, #requests("/blobs/"))
        assert.same({}, puller:names("partial"))
    end)

    it("is whole whenever runs are killed", function()
        local files = {}
        for index = 1, 8 do
            files[index] = { "data/" .. index, (tostring(index)):rep(100000) }
        end
        serve(files, { blob = { { pace = 0.02 } } })
        local finished
        for index = 1, 40 do
            local run = start_run(index)
            finished = run:wait({ timeout_s = 0.05 + index * 0.01 })
            run:kill("KILL")
            run:wait()
            run:close()
            if finished then
                break
            end
        end
        local pulled <close> = puller:pull(reference())
        for _, file in ipairs(files) do
            assert.equal(file[2], sys.read_file(pulled.path .. "/" .. file[1]))
        end
        local verified = assert(sys.run({ sys.process_exe(sys.pid()), "cache", "verify", "--cache-dir", puller.cache }))
        assert.equal(0, verified.status, verified.stderr)
    end)

    -- A run of its own that is killed, once its blob has begun to arrive.
    local function killed_run()
        local run = assert(sys.spawn({ sys.process_exe(sys.pid()), "bundle", "pull", reference(), "--cache-dir",
            puller.cache }, { stdout = scratch:file("out"), stderr = scratch:file("err") }))
        local deadline = job.now() + 20
        repeat
            assert(job.now() < deadline, "nothing arrives: " .. scratch:read("err"))
            job.sleep(0.02)
            local size = 0
            for _, name in ipairs(puller:names("partial")) do
                local info = sys.stat(puller.cache .. "/partial/" .. name)
                size = math.max(size, info and not name:find("json") and info.size or 0)
            end
        until size >= 100000
        assert(run:kill("KILL"))
        run:wait()
        run:close()
    end

    it("is whole after kill -9: the next run goes on", function()
        serve(BIG, { blob = { { times = 1, hang = 400000 }, {} } })
        killed_run()
        pulls()
        local blobs = requests("/blobs/")
        assert.matches("^bytes=%d+%-$", blobs[2].headers.Range)
    end)

    it("throws away what an earlier run left damaged", function()
        serve(BIG, { blob = { { times = 1, hang = 400000 }, {} } })
        killed_run()
        local partial = puller:names("partial")[1]
        local size = sys.stat(puller.cache .. "/partial/" .. partial).size
        assert(sys.write_file(puller.cache .. "/partial/" .. partial, ("?"):rep(size)))
        pulls()
        assert.equal(3, #requests("/blobs/"))
    end)

    it("notices a blob and a bundle that were damaged there, and fetches anew", function()
        serve(BIG)
        local path = pulls()
        local blob = puller.cache .. "/blobs/" .. image.sha256(BIG[1][2])
        for _, file in ipairs({ path .. "/data/big", blob }) do
            assert(sys.write_file(file, ("y"):rep(#BIG[1][2])))
        end
        path = pulls()
        assert.equal(BIG[1][2], sys.read_file(path .. "/data/big"))
        assert.equal(2, #requests("/blobs/"))
        assert(sys.write_file(path .. "/more", "x"))
        assert.is_nil(sys.stat(pulls() .. "/more"))
    end)
end)
