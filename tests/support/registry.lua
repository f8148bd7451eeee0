-- SPDX-License-Identifier: Apache-2.0
--
-- Registries for tests: Debian's docker-registry, open, with passwords or with TLS,
-- and artifacts in them, put there by skopeo or as `oras push` lays them out.
local http = require("jflash.http")
local image = require("jflash.image")
local job = require("jflash.job")
local json = require("jflash.json")
local net = require("jflash.net")
local sys = require("jflash.sys")

local M = {}

local START_S = 20
local STAND_IN = (arg[0]:match("^(.*)tests/") or "") .. "tests/support/registry_stand_in.py"

M.MANIFEST = "application/vnd.oci.image.manifest.v1+json"
M.INDEX = "application/vnd.oci.image.index.v1+json"
M.TITLE = "org.opencontainers.image.title"

local function free_port(host)
    local server <close> = assert(http.serve({ host = host }))
    return server:port()
end

local function await(what, is_so)
    local deadline = job.now() + START_S
    while not is_so() do
        assert(job.now() < deadline, what)
        assert(job.sleep(0.01))
    end
end

local CONFIG = [[
version: 0.1
log: {level: warn, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: %DIR/store}, delete: {enabled: true}}
http:
  addr: "%ADDRESS"
  secret: not-a-secret
%MORE]]

local TLS = "  tls: {certificate: %DIR/server.pem, key: %DIR/server.key}\n"
local HTPASSWD = "auth: {htpasswd: {realm: test, path: %DIR/htpasswd}}\n"

local function make_certificates(scratch, host)
    scratch:write("san", "subjectAltName=IP:" .. host .. "\n")
    scratch:sh(([[
        key='-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes'
        openssl req -x509 $key -keyout ca.key -out ca.pem -days 2 -subj '/CN=test authority' &&
        openssl req $key -keyout server.key -out server.csr -subj '/CN=%s' &&
        openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 \
            -extfile san -out server.pem]]):format(host))
end

---@class tests.Registry
---@field host string    as references have it: with the port
---@field cacert string|nil
local Registry = {}
Registry.__index = Registry

--- Starts docker-registry; its files lie in the scratch folder.
---@param scratch table
---@param options {tls: boolean|nil, user: string|nil, password: string|nil}|nil
function M.start(scratch, options)
    options = options or {}
    local address = assert(net.random_loopback())
    local host = ("%s:%d"):format(address, free_port(address))
    local more = ""
    if options.tls then
        make_certificates(scratch, address)
        more = more .. TLS
    end
    if options.user then
        scratch:sh(("htpasswd -Bbn -C 4 '%s' '%s' >htpasswd"):format(options.user, options.password))
        more = more .. HTPASSWD
    end
    local config = CONFIG:gsub("%%MORE", (more:gsub("%%", "%%%%"))):gsub("%%ADDRESS", host)
        :gsub("%%DIR", scratch.path)
    local log = scratch:file("registry.log")
    local process = assert(sys.spawn({ "docker-registry", "serve", scratch:write("registry.yml", config) },
        { stdout = log, stderr = log, env = { OTEL_TRACES_EXPORTER = "none" } }))
    local self = setmetatable({ process = process, host = host, scratch = scratch, options = options,
        cacert = options.tls and scratch:file("ca.pem") or nil }, Registry)
    await("docker-registry does not start: " .. scratch:read("registry.log"), function()
        return self:curl("/v2/") ~= "000"
    end)
    return self
end

-- curl with what the registry wants to see. Returns the status.
function Registry:curl(path, ...)
    local scheme = self.cacert and "https" or "http"
    local argv = { "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", ... }
    if self.cacert then
        table.insert(argv, "--cacert")
        table.insert(argv, self.cacert)
    end
    if self.options.user then
        table.insert(argv, "-u")
        table.insert(argv, self.options.user .. ":" .. self.options.password)
    end
    table.insert(argv, ("%s://%s%s"):format(scheme, self.host, path))
    return assert(sys.run(argv, { timeout_s = 30 })).stdout
end

--- Puts a file there as a blob; returns its descriptor.
function Registry:put_file(repository, file, sha256, media_type, annotations)
    local digest = "sha256:" .. sha256
    -- A single POST is optional in the specification; POST and PUT are not.
    local headers = self.scratch:file("put.headers")
    local started = self:curl(("/v2/%s/blobs/uploads/"):format(repository), "-X", "POST", "-D", headers)
    assert(started == "202", "the registry takes no upload: " .. started .. self.scratch:read("registry.log"))
    local location = self.scratch:read("put.headers"):match("\n[Ll]ocation: ([^\r\n]+)")
    local path = location:gsub("^https?://[^/]+", "")
    local joint = path:find("?", 1, true) and "&" or "?"
    local status = self:curl(path .. joint .. "digest=" .. digest, "-X", "PUT", "-H",
        "Content-Type: application/octet-stream", "--data-binary", "@" .. file)
    assert(status == "201", "the registry refuses the blob: " .. status)
    return { mediaType = media_type or "application/octet-stream", digest = digest,
        size = assert(sys.stat(file)).size, annotations = annotations }
end

--- Puts a blob there; returns its descriptor.
function Registry:put_blob(repository, bytes, media_type, annotations)
    return self:put_file(repository, self.scratch:write("blob-to-put", bytes), image.sha256(bytes), media_type,
        annotations)
end

--- Puts a manifest there, as text or as a table; returns its digest and text.
function Registry:put_manifest(repository, tag, manifest, media_type)
    local text = type(manifest) == "string" and manifest or json.encode(manifest)
    local file = self.scratch:write("manifest-to-put", text)
    local status = self:curl(("/v2/%s/manifests/%s"):format(repository, tag), "-X", "PUT", "-H",
        "Content-Type: " .. (media_type or M.MANIFEST), "--data-binary", "@" .. file)
    assert(status == "201", "the registry refuses the manifest: " .. status)
    return "sha256:" .. image.sha256(text), text
end

--- An artifact as `oras push` lays it out: a layer per file, under its title.
---@param files {[1]: string, [2]: string}[]  name and content
function Registry:put_artifact(repository, tag, files, changes)
    local layers = {}
    for index, file in ipairs(files) do
        layers[index] = self:put_blob(repository, file[2], "application/vnd.oci.image.layer.v1.tar",
            { [M.TITLE] = file[1] })
    end
    local manifest = {
        schemaVersion = 2,
        mediaType = M.MANIFEST,
        artifactType = "application/vnd.unknown.artifact.v1",
        config = self:put_blob(repository, "{}", "application/vnd.oci.empty.v1+json"),
        layers = layers,
    }
    for key, value in pairs(changes or {}) do
        manifest[key] = value
    end
    return self:put_manifest(repository, tag, manifest)
end

--- An image: a manifest with these layers; returns its digest.
---@param layers table[]  see put_blob
---@param changes table|nil  of the manifest
function Registry:put_image(repository, tag, layers, changes)
    local manifest = {
        schemaVersion = 2,
        mediaType = M.MANIFEST,
        config = self:put_blob(repository, "{}", "application/vnd.oci.empty.v1+json"),
        layers = layers,
    }
    for key, value in pairs(changes or {}) do
        manifest[key] = value
    end
    return (self:put_manifest(repository, tag, manifest))
end

function Registry:close()
    self.process:close()
end
Registry.__close = Registry.close

---A registry that does what its rules say; see registry_stand_in.py.
---@class tests.StandIn
---@field host string
---@field url string
local StandIn = {}
StandIn.__index = StandIn

--- Starts the stand-in. Its files lie in a folder of the scratch folder.
---@param scratch table
---@param options {port: integer|nil, address: string|nil, folder: string|nil}|nil
function M.stand_in(scratch, options)
    options = options or {}
    local address = options.address or assert(net.random_loopback())
    local folder = options.folder or scratch:file("stand-in-" .. sys.random_hex(4))
    assert(sys.mkdir(folder))
    local self = setmetatable({ scratch = scratch, folder = folder, address = address }, StandIn)
    self:reset()
    local out = folder .. "/port"
    assert(sys.write_file(out, ""))
    self.process = assert(sys.spawn({ "python3", STAND_IN, address, tostring(options.port or 0), folder },
        { stdout = out, stderr = folder .. "/errors" }))
    await("the stand-in does not start", function()
        return sys.read_file(out):find("\n")
    end)
    self.port = tonumber(sys.read_file(out))
    self.host = ("%s:%d"):format(address, self.port)
    self.url = "http://" .. self.host
    return self
end

--- Forgets rules, requests and tokens.
function StandIn:reset()
    self.epoch = sys.random_hex(8)
    os.remove(self.folder .. "/requests.jsonl")
    self:rules({ rules = setmetatable({}, json.array) })
end

--- Sets what it does from now on.
function StandIn:rules(rules)
    rules.epoch = self.epoch
    assert(sys.write_file(self.folder .. "/rules.json", json.encode(rules)))
    self.current = rules
end

--- Writes a file that rules can name.
function StandIn:write(name, bytes)
    assert(sys.write_file(self.folder .. "/" .. name, bytes))
end

--- The requests so far.
---@return {method: string, path: string, headers: table<string, string>, body: string}[]
function StandIn:requests()
    local requests = {}
    local text = sys.read_file(self.folder .. "/requests.jsonl") or ""
    for line in text:gmatch("[^\n]+") do
        table.insert(requests, (assert(json.decode(line))))
    end
    return requests
end

--- Rules for an artifact with one layer per file; `changes.blob` and `changes.manifest`
--- go into the rules of the blobs and of the manifest.
---@return table[] rules
---@return string digest of the manifest
function StandIn:artifact(repository, tag, files, changes)
    changes = changes or {}
    local rules, layers = setmetatable({}, json.array), {}
    for index, file in ipairs(files) do
        local digest = "sha256:" .. image.sha256(file[2])
        self:write(digest, file[2])
        layers[index] = { mediaType = "application/octet-stream", digest = digest, size = file.size or #file[2],
            annotations = { [M.TITLE] = file[1] } }
        local rule = { path = ("/v2/%s/blobs/%s"):format(repository, digest), file = digest }
        for _, change in ipairs(changes.blob or { {} }) do
            local one = {}
            for _, source in ipairs({ rule, change }) do
                for key, value in pairs(source) do
                    one[key] = value
                end
            end
            table.insert(rules, one)
        end
    end
    local text = json.encode({ schemaVersion = 2, mediaType = M.MANIFEST, layers = layers,
        config = { mediaType = "application/vnd.oci.empty.v1+json", size = 2,
            digest = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a" } })
    local digest = "sha256:" .. image.sha256(text)
    self:write(digest, text)
    for _, what in ipairs({ tag, digest }) do
        local rule = { path = ("/v2/%s/manifests/%s"):format(repository, what), file = digest, type = M.MANIFEST }
        for key, value in pairs(changes.manifest or {}) do
            rule[key] = value
        end
        table.insert(rules, rule)
    end
    return rules, digest
end

--- Dies as by kill -9.
function StandIn:close()
    self.process:close()
end
StandIn.__close = StandIn.close

return M
