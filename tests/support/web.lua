-- SPDX-License-Identifier: Apache-2.0
--
-- Web servers for tests: nginx, with and without TLS, and one that misbehaves
-- (faulty_http.py). Each listens on a random address of the loopback network.
local http = require("jflash.http")
local job = require("jflash.job")
local json = require("jflash.json")
local net = require("jflash.net")
local sys = require("jflash.sys")

local M = {}

local START_S = 10
local HERE = arg[0]:match("^(.*)tests/busted%.lua$") .. "tests/support/"
local FAULTY = HERE .. "faulty_http.py"
local PLUGS = HERE .. "fake_web_plugs.py"

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

--- A certificate authority and a certificate of it for an address, and for another
--- one that the server may be known by.
---@param scratch table
---@param host string
---@param alias string|nil
local function make_certificates(scratch, host, alias)
    scratch:write("san", ("subjectAltName=IP:%s%s\n"):format(host, alias and ",IP:" .. alias or ""))
    scratch:sh(([[
        key='-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes'
        openssl req -x509 $key -keyout ca.key -out ca.pem -days 2 -subj '/CN=test authority' &&
        openssl req $key -keyout server.key -out server.csr -subj '/CN=%s' &&
        openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 \
            -extfile san -out server.pem]]):format(host))
end

local NGINX = [[
daemon off; master_process off; worker_processes 1; pid %DIR/nginx.pid; error_log %DIR/error.log;
events { worker_connections 64; }
http {
    types {} default_type application/octet-stream;
    client_body_temp_path %DIR/t1; proxy_temp_path %DIR/t2; fastcgi_temp_path %DIR/t3;
    uwsgi_temp_path %DIR/t4; scgi_temp_path %DIR/t5;
    log_format seen escape=json '{"path":"$request_uri","auth":"$http_authorization","key":"$http_x_key",'
        '"range":"$http_range","agent":"$http_user_agent","none_match":"$http_if_none_match"}';
    access_log %DIR/access.log seen;
    server {
        %LISTEN
        root %DIR/www;
        location /private/ { auth_basic secret; auth_basic_user_file %DIR/passwords; }
        location /bearer/ { if ($http_authorization != "Bearer the-token") { return 401; } }
        location /both/ { limit_rate 1500k; if ($http_authorization != "Bearer the-token") { return 401; } }
        location /keyed/ { if ($http_x_key != "the-key") { return 403; } }
        location /norange/ { max_ranges 0; }
        location /slow/ { limit_rate 400k; }
        location /moved/ { return 302 /files/disk.img; }
        location /circle/ { return 302 /circle/; }
        location /away/ { return 302 %AWAY; }
        location /downgrade/ { return 302 http://%HOST:1/disk.img; }
        location /page/ { default_type text/html; return 200 "<!DOCTYPE html><html><body>hello</body></html>"; }
    }
}
]]

---@class tests.Web
---@field host string
---@field url string   what URLs begin with
---@field cacert string|nil
local Web = {}
Web.__index = Web

--- Starts nginx. Its files lie below "www" in the scratch folder.
---@param scratch table
---@param options {tls: boolean|nil, away: string|nil, host: string|nil, alias: string|nil}|nil
function M.nginx(scratch, options)
    options = options or {}
    local host = options.host or assert(net.random_loopback())
    local port = free_port(host)
    local listen = ("listen %s:%d;"):format(host, port)
    if options.tls then
        make_certificates(scratch, host, options.alias)
        listen = ("listen %s:%d ssl; ssl_certificate %%DIR/server.pem; ssl_certificate_key %%DIR/server.key;")
            :format(host, port)
    end
    scratch:sh("mkdir -p www/files www/private www/bearer www/both www/keyed www/norange www/slow; chmod 755 .")
    scratch:write("passwords", "ann:{PLAIN}open sesame\n")
    local config = NGINX:gsub("%%LISTEN", (listen:gsub("%%", "%%%%"))):gsub("%%AWAY", options.away or "/")
        :gsub("%%HOST", host):gsub("%%DIR", scratch.path)
    scratch:write("nginx.conf", (sys.uid() == 0 and "user root;\n" or "") .. config)
    local process = assert(sys.spawn({ "nginx", "-p", scratch.path, "-c", scratch:file("nginx.conf"),
        "-e", scratch:file("error.log") }, { stdout = scratch:file("nginx.out"), stderr = scratch:file("nginx.out") }))
    local self = setmetatable({
        process = process, host = host, scratch = scratch, log = scratch:file("access.log"),
        url = ("%s://%s:%d"):format(options.tls and "https" or "http", host, port),
        cacert = options.tls and scratch:file("ca.pem") or nil,
    }, Web)
    await("nginx does not start: " .. scratch:read("nginx.out"), function()
        local probe = ("exec 2>&-; : </dev/tcp/%s/%d"):format(host, port)
        return assert(sys.run({ "bash", "-c", probe })).status == 0
    end)
    return self
end

--- Starts the server that misbehaves.
---@param scratch table
---@param content string  what it serves
function M.faulty(scratch, content)
    local host = assert(net.random_loopback())
    local name = sys.random_hex(4)
    local file, out = scratch:write(name .. ".served", content), scratch:write(name .. ".port", "")
    local process = assert(sys.spawn({ "python3", FAULTY, host, file, scratch:file(name .. ".log") },
        { stdout = out, stderr = scratch:file(name .. ".err") }))
    scratch:write(name .. ".log", "")
    await("the faulty server does not start", function()
        return scratch:read(name .. ".port"):find("\n")
    end)
    local port = tonumber(scratch:read(name .. ".port"))
    return setmetatable({ process = process, host = host, scratch = scratch, log = scratch:file(name .. ".log"),
        url = ("http://%s:%d"):format(host, port) }, Web)
end

--- Starts the fake of plugs and PDUs.
---@param scratch table
---@param options {tls: boolean|nil}|nil
function M.plugs(scratch, options)
    local host = assert(net.random_loopback())
    local out, log = scratch:write("plugs.port", ""), scratch:write("plugs.log", "")
    local argv = { "python3", PLUGS, host, log }
    local tls = options and options.tls
    if tls then
        make_certificates(scratch, host)
        table.move({ scratch:file("server.pem"), scratch:file("server.key") }, 1, 2, #argv + 1, argv)
    end
    local process = assert(sys.spawn(argv, { stdout = out, stderr = scratch:file("plugs.err") }))
    await("the fake plugs do not start", function()
        return scratch:read("plugs.port"):find("\n")
    end)
    local place = ("%s:%d"):format(host, tonumber(scratch:read("plugs.port")))
    return setmetatable({ process = process, host = place, scratch = scratch, log = log,
        url = (tls and "https://" or "http://") .. place, cacert = tls and scratch:file("ca.pem") or nil }, Web)
end

-- nginx notes a request when it has ended, a moment after the client saw that.
local function count_lines(path)
    local count = 0
    for _ in io.lines(path) do
        count = count + 1
    end
    return count
end

--- The requests that came so far, as each server notes them.
---@param at_least integer|nil  waits for so many
---@return table[]
function Web:requests(at_least)
    await("no request is noted", function()
        return not at_least or count_lines(self.log) >= at_least
    end)
    local requests = {}
    local file = io.open(self.log)
    for line in file and file:lines() or function() end do
        table.insert(requests, (assert(json.decode(line))))
    end
    if file then
        file:close()
    end
    return requests
end

function Web:close()
    self.process:close()
end
Web.__close = Web.close

return M
