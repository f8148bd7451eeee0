-- SPDX-License-Identifier: Apache-2.0
--
-- The HTTP server beside nginx and Python's http.server, all three with the same
-- clients and the same file in the page cache: CPU of server and clients per GiB,
-- memory, speed. Servers have one processor, their clients the other. One JSON
-- object a line; `ratio` is ours/theirs.
local job = require("jflash.job")

local ROUNDS = 9
local FILE_MIB = 512
local PATIENCE_S = 20

local root = arg[0]:match("^(.*)/tests/bench/[^/]*$") or "."
package.path = package.path .. ";" .. root .. "/?.lua"
local bench = require("tests.support.bench")
local report, median = bench.report, bench.median
local near, far = bench.sides()

local function capture(command)
    local pipe <close> = assert(io.popen(command))
    return (pipe:read("a"):gsub("%s+$", ""))
end

local function quote(text)
    return "'" .. text:gsub("'", "'\\''") .. "'"
end

local folder = capture("mktemp -d /tmp/jflash-bench-XXXXXX")
local file = folder .. "/file"

local function write(name, text)
    local out <close> = assert(io.open(folder .. "/" .. name, "w"))
    out:write(text)
end

local function read(path)
    local input <close> = io.open(path)
    return input and input:read("a")
end

local function free_port()
    return tonumber(capture("/usr/bin/python3 -c 'import socket; s = socket.socket(); "
        .. "s.bind((\"127.0.0.1\", 0)); print(s.getsockname()[1])'"))
end

local function await_url(url)
    local deadline = job.now() + PATIENCE_S
    while not os.execute("curl -sf -r 0-0 -o /dev/null " .. url) do
        assert(job.now() < deadline, url .. " does not answer")
        job.sleep(0.02)
    end
end

---Starts a command in the background and returns its pid.
local function spawn(name, command)
    os.execute(("cd %s && { %s >%s.log 2>&1 & echo $! >%s.pid; }"):format(folder, command, name, name))
    return tonumber(read(folder .. "/" .. name .. ".pid"))
end

---@class Peer
---@field name string
---@field url string
---@field pids integer[]

local function start_ours()
    os.execute("mkfifo " .. folder .. "/ours.in")
    local program = quote(capture("readlink -f /proc/$PPID/exe"))
    local script = quote(capture("readlink -f " .. quote(root .. "/tests/bench/http_server.lua")))
    local pid = spawn("ours", ("exec %s %s run %s %s <ours.in"):format(near, program, script, file))
    local input = assert(io.open(folder .. "/ours.in", "w"))
    local deadline = job.now() + PATIENCE_S
    local port, path
    repeat
        assert(job.now() < deadline, "our server does not start")
        job.sleep(0.02)
        port, path = read(folder .. "/ours.log"):match("^(%d+) (%S+)\n")
    until port
    return { name = "jflash", url = ("http://127.0.0.1:%s%s"):format(port, path), pids = { pid },
        input = input }
end

local function start_nginx()
    if not os.execute("command -v nginx >/dev/null") then
        return nil
    end
    local port = free_port()
    write("nginx.conf", ([[
daemon off; worker_processes 1; pid %s/nginx.run; error_log stderr;
events { worker_connections 256; }
http {
  access_log off; sendfile on; tcp_nopush on; default_type application/octet-stream;
  client_body_temp_path %s/nginx-body; proxy_temp_path %s/nginx-proxy; fastcgi_temp_path %s/nginx-f;
  uwsgi_temp_path %s/nginx-u; scgi_temp_path %s/nginx-s;
  server { listen 127.0.0.1:%d; root %s; }
}
user root;
]]):format(folder, folder, folder, folder, folder, folder, port, folder))
    local pid = spawn("nginx", "exec " .. near .. " nginx -e stderr -c " .. folder .. "/nginx.conf")
    local peer = { name = "nginx", url = ("http://127.0.0.1:%d/file"):format(port), pids = { pid } }
    await_url(peer.url)
    for child in capture("pgrep -P " .. pid):gmatch("%d+") do
        table.insert(peer.pids, tonumber(child))
    end
    return peer
end

local function start_python()
    local port = free_port()
    local pid = spawn("python", ("exec %s /usr/bin/python3 -m http.server --bind 127.0.0.1 %d")
        :format(near, port))
    local peer = { name = "python3 http.server", pids = { pid },
        url = ("http://127.0.0.1:%d/file"):format(port) }
    await_url(peer.url)
    return peer
end

local function stop(peer)
    if peer.input then
        peer.input:close()
    else
        -- SIGTERM may be blocked in what this program starts; nginx's master has to
        -- end its worker.
        os.execute(("kill -%s %d"):format(peer.name == "nginx" and "TERM" or "KILL", peer.pids[1]))
    end
    local deadline = job.now() + PATIENCE_S
    while read(("/proc/%d/stat"):format(peer.pids[1])) and job.now() < deadline do
        job.sleep(0.02)
    end
end

---CPU seconds that the processes have used, all their threads, also those that ended.
local function cpu_s(pids)
    local total = 0
    for _, pid in ipairs(pids) do
        local living = 0
        for thread in capture(("ls /proc/%d/task"):format(pid)):gmatch("%d+") do
            local text = read(("/proc/%d/task/%s/schedstat"):format(pid, thread))
            living = living + (text and tonumber(text:match("%d+")) / 1e9 or 0)
        end
        -- Threads that have ended are only here, in ticks of 10 ms.
        local user, system = read(("/proc/%d/stat"):format(pid))
            :match("^.*%) %S+" .. (" %S+"):rep(10) .. " (%d+) (%d+)")
        total = total + math.max(living, (user + system) / 100)
    end
    return total
end

---Memory of the processes in MiB, by a field of the kernel's account: "Rss" counts
---a page in each process that has it, "Pss" shares it out among them.
local function memory_mib(pids, field)
    local total = 0
    for _, pid in ipairs(pids) do
        local text = read(("/proc/%d/smaps_rollup"):format(pid))
        total = total + tonumber(text:match("\n" .. field .. ":%s+(%d+)"))
    end
    return total / 1024
end

---One download by each of `clients` curls at once.
local function measure(peer, clients)
    local fetch = ("curl -sf -o /dev/null %s & "):format(peer.url):rep(clients)
    local before, start = cpu_s(peer.pids), job.now()
    local text = capture(("%s bash -c 'TIMEFORMAT=\"%%3U %%3S\"; time { %swait; }' 2>&1"):format(far, fetch))
    local elapsed_s = job.now() - start
    local server_s = cpu_s(peer.pids) - before
    local user, system = text:match("([%d.]+) ([%d.]+)$")
    local gib = FILE_MIB * clients / 1024
    return {
        cpu = (server_s + user + system) / gib,
        server = server_s / gib,
        speed = FILE_MIB * clients * 1.048576 / elapsed_s,
        rss = memory_mib(peer.pids, "Rss"),
        pss = memory_mib(peer.pids, "Pss"),
    }
end

local METRICS = {
    { key = "cpu", what = "HTTP %s, server's and clients' CPU", unit = "s/GiB", must = 1.10, aim = 1.05,
        better = "lower" },
    { key = "server", what = "HTTP %s, server's CPU", unit = "s/GiB", better = "lower" },
    { key = "rss", what = "HTTP %s, server's memory (RSS)", unit = "MiB", must = 0.6, aim = 0.45,
        better = "lower" },
    { key = "pss", what = "HTTP %s, server's memory (PSS)", unit = "MiB", better = "lower" },
    { key = "speed", what = "HTTP %s, speed", unit = "MB/s", better = "higher" },
}

---The rounds of all peers alternate; the ratio is the median of each round's.
local function compare(peers, clients)
    local results = {}
    for round = 1, ROUNDS do
        results[round] = {}
        for i = 1, #peers do
            local peer = peers[(i + round) % #peers + 1]
            results[round][peer.name] = measure(peer, clients)
        end
    end
    local case = clients == 1 and "1 client" or clients .. " clients"
    for _, metric in ipairs(METRICS) do
        for i = 2, #peers do
            local ours, theirs, ratios = {}, {}, {}
            for round = 1, ROUNDS do
                ours[round] = results[round][peers[1].name][metric.key]
                theirs[round] = results[round][peers[i].name][metric.key]
                ratios[round] = ours[round] / theirs[round]
            end
            local judged = peers[i].name == "nginx"
            report({ what = metric.what:format(case), unit = metric.unit, ours = median(ours),
                peer = peers[i].name, theirs = median(theirs), ratio = median(ratios),
                must = judged and metric.must or nil, aim = judged and metric.aim or nil,
                better = metric.better })
        end
    end
end

local function main(peers)
    os.execute(("head -c %dM /dev/urandom >%s"):format(FILE_MIB, file))
    local nginx = start_nginx()
    if nginx then
        table.insert(peers, nginx)
    else
        report({ what = "HTTP against nginx", skipped = "nginx is not installed" })
    end
    table.insert(peers, start_python())
    -- Last, so that the others do not inherit its standard input.
    table.insert(peers, 1, start_ours())
    for _, clients in ipairs({ 1, 4 }) do
        compare(peers, clients)
    end
end

local peers = {}
local ok, message = xpcall(main, debug.traceback, peers)
for _, peer in ipairs(peers) do
    stop(peer)
end
os.execute("rm -rf " .. folder)
assert(ok, message)
