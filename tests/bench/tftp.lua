-- SPDX-License-Identifier: Apache-2.0
--
-- The TFTP server against a bare UDP ping-pong, dnsmasq, atftpd and tftpd-hpa, all
-- asked by the same client (tftp_client.c). The 0.3 ms round trip and the loss come
-- from a line of two TUN devices in two network namespaces; where those are refused
-- its rows are skipped, with the reason.
local job = require("jflash.job")

local ROUNDS = 5
local MB = 1000 * 1000
local PORT = 69 -- dnsmasq has no other

local here = arg[0]:match("^(.*)/[^/]*$") or "."

local function output(command)
    local pipe <close> = assert(io.popen(command))
    return (pipe:read("a"):gsub("%s+$", ""))
end

local program = output("readlink /proc/$PPID/exe")
local client = program:match("^(.*)/") .. "/tests/tftp_client"
local scratch = output("mktemp -d /tmp/jflash-bench.XXXXXX")

package.path = package.path .. ";./?.lua"
local bench = require("tests.support.bench")
local report, median = bench.report, bench.median

--- Starts a program that runs until it is stopped; its pid is the program's own.
local function start(command)
    local quoted = "exec 3>&1; sh -c 'echo $$ >&3; exec %s' >%s/log 2>&1 </dev/null"
    local pipe = assert(io.popen(quoted:format(command, scratch)))
    return { pipe = pipe, pid = pipe:read("n") }
end

local function stop(process)
    os.execute(("kill -9 %d 2>/dev/null"):format(process.pid))
    process.pipe:close()
end

-- Where servers and clients run: on loopback, or at the two ends of a line.
local function loopback(server_core, client_core)
    local host = ("127.%d.%d.%d"):format(math.random(1, 254), math.random(1, 254), math.random(1, 254))
    return {
        host = host,
        server = ("taskset -c %d "):format(server_core),
        client = ("taskset -c %d "):format(client_core),
        close = function() end,
    }
end

local function line(delay_us, drop_nth)
    -- The line ends with the pipe's writing end, which is a sleep that we can kill.
    local fifo = output(("d=$(mktemp -u %s/line.XXXXXX); mkfifo $d; echo $d"):format(scratch))
    local keeper = start("sleep 600 >" .. fifo)
    local command = ("exec %s link %d %d <%s 2>%s/why"):format(client, delay_us, drop_nth, fifo, scratch)
    local pipe = assert(io.popen(command))
    local there, near = pipe:read("n", "n")
    local function close()
        stop(keeper)
        pipe:close()
        os.remove(fifo)
    end
    if not near then
        close()
        return nil, output(("cat %s/why"):format(scratch))
    end
    return {
        host = "10.213.0.1",
        server = ("nsenter -t %d -n taskset -c 0 "):format(there),
        client = ("nsenter -t %d -n taskset -c 1 "):format(near),
        close = close,
    }
end

local hpa -- the path of tftpd-hpa's server, or false and why not
local why_no_hpa

--- tftpd-hpa cannot be installed beside atftpd: its package is only unpacked.
local function find_hpa()
    if hpa == nil then
        local unpack = "cd %s && apt-get download tftpd-hpa >log 2>&1 && dpkg-deb -x tftpd-hpa*.deb hpa"
        os.execute(unpack:format(scratch))
        hpa = scratch .. "/hpa/usr/sbin/in.tftpd"
        if not os.execute("test -x " .. hpa) then
            hpa, why_no_hpa = false, "tftpd-hpa cannot be downloaded"
        end
    end
    return hpa, why_no_hpa
end

local servers = {}

function servers.jflash(place, dir)
    -- Its standard input is a pipe that no one closes before it is killed.
    local command = "%s run %s/tftp_server.lua %s %d %s/data <%s/stdin"
    return command:format(program, here, place.host, PORT, dir, scratch)
end

function servers.dnsmasq(place, dir)
    return ("dnsmasq --no-daemon --conf-file=/dev/null --port=0 --enable-tftp --tftp-root=%s --pid-file="
        .. " --listen-address=%s --bind-interfaces --user=root --tftp-max=300"):format(dir, place.host)
end

function servers.atftpd(place, dir)
    return ("atftpd --daemon --no-fork --bind-address %s --port %d --user root --group root --no-multicast"
        .. " --maxthread 300 %s"):format(place.host, PORT, dir)
end

servers["tftpd-hpa"] = function(place, dir)
    local path, why = find_hpa()
    return path and ("%s -L -a %s:%d -u root -s %s"):format(path, place.host, PORT, dir), why
end

--- One run of the client: bytes, seconds, the server's CPU seconds. Nil when it failed.
local function fetch(place, server, options)
    local command = "%s timeout -s KILL 60 %s get %s %d data 1468 %d %d %d 2>&1"
    local window, clients = options.window or 1, options.clients or 1
    command = command:format(place.client, client, place.host, PORT, window, clients, server.pid)
    local bytes, seconds, cpu = output(command):match("^(%d+) ([%d.]+) (%-?[%d.]+)$")
    return tonumber(bytes), tonumber(seconds), tonumber(cpu)
end

--- Starts a server and waits until it answers.
local function serve(name, place, dir)
    local command, why = servers[name](place, dir)
    if not command then
        return nil, why
    end
    local server = start(place.server .. command)
    for _ = 1, 100 do
        local probe = ("%s timeout -s KILL 1 %s get %s %d tiny 512 1 1 %d 2>&1"):format(place.client, client,
            place.host, PORT, server.pid)
        -- Whatever it answers, it is there; before that the client's port is refused.
        local answer = output(probe)
        if answer:match("^server: ") or answer:match("^%d+ ") then
            return server
        end
        job.sleep(0.05)
    end
    stop(server)
    return nil, name .. " does not start: " .. output(("head -c 200 %s/log"):format(scratch))
end

--- A place like this one with an address of its own, since all want port 69.
local function beside(place, offset)
    local other = setmetatable({}, { __index = place })
    other.host = place.host:gsub("%d+$", function(last)
        return tostring((tonumber(last) + offset) % 250 + 1)
    end)
    return other
end

local function start_all(place, dir, names)
    local running = {}
    for i, name in ipairs(names) do
        local where = beside(place, i)
        local server, why = serve(name, where, dir)
        if not server then
            return running, why
        end
        running[i] = { name = name, server = server, where = where, rates = {}, cpus = {} }
    end
    return running
end

-- The servers take turns, so that the machine's moods hit all of them.
local function run_rounds(running, options)
    for _ = 1, options.rounds or ROUNDS do
        for _, one in ipairs(running) do
            local bytes, seconds, cpu = fetch(one.where, one.server, options)
            if not bytes then
                return "the transfer from " .. one.name .. " failed"
            end
            table.insert(one.rates, bytes / MB / seconds)
            table.insert(one.cpus, cpu * 1e6 / (bytes / MB))
        end
    end
end

--- MiB at the peak without the pages of programs and libraries, which are shared.
local function own_memory(server)
    local status = output(("cat /proc/%d/status"):format(server.pid))
    return (tonumber(status:match("VmHWM:%s*(%d+)")) - tonumber(status:match("RssFile:%s*(%d+)"))) / 1024
end

--- Medians of ours and the peer's: rate in MB/s, CPU in µs per MB, memory in MiB.
local function compare(place, dir, peer, options)
    local running, why = start_all(place, dir, { "jflash", peer })
    why = why or run_rounds(running, options)
    local result = { rate = {}, cpu = {}, memory = {} }
    for i, one in ipairs(running) do
        if not why then
            result.rate[i], result.cpu[i] = median(one.rates), median(one.cpus)
            result.memory[i] = own_memory(one.server)
        end
        stop(one.server)
    end
    if why then
        return nil, why
    end
    return result
end

local function row(what, unit, pair, peer, must, aim, better)
    local ratio = pair[1] / pair[2]
    report({
        what = what, unit = unit, ours = pair[1], peer = peer, theirs = pair[2], ratio = ratio,
        must = must, aim = aim, better = better,
    })
end

local function data(size_bytes)
    local dir = output(("mktemp -d %s/data.XXXXXX"):format(scratch))
    assert(os.execute(("head -c %d /dev/urandom >%s/data && echo >%s/tiny && chmod -R a+rX %s"):format(
        size_bytes, dir, dir, scratch)))
    return dir
end

local function on_loopback()
    local dir = data(30 * MB)
    local result, why = compare(loopback(0, 0), dir, "dnsmasq", {})
    if result then
        row("tftp lock-step 1468 loopback, one core", "MB/s", result.rate, "dnsmasq", 1.0, 1.15, "higher")
        row("tftp lock-step 1468 loopback, server CPU", "us/MB", result.cpu, "dnsmasq", 1.0, 0.8, "lower")
    else
        report({ what = "tftp lock-step 1468 loopback", skipped = why })
    end
    result, why = compare(loopback(0, 1), dir, "atftpd", { window = 64 })
    if result then
        row("tftp windowsize 64 loopback, two cores", "MB/s", result.rate, "atftpd", 1.0, 1.3, "higher")
        row("tftp windowsize 64 loopback, server CPU", "us/MB", result.cpu, "atftpd", 0.8, 0.4, "lower")
    else
        report({ what = "tftp windowsize 64 loopback", skipped = why })
    end
end

-- A round is over in a sixth of a second, and where the scheduler puts 100 clients' wake-ups
-- moves it by a fifth: the median needs many of them.
local CROWD_ROUNDS = 31

local function hundred_clients()
    local dir = data(MB // 2)
    local best, best_peer, ours
    for _, peer in ipairs({ "dnsmasq", "atftpd" }) do
        local result, why = compare(loopback(0, 1), dir, peer, { clients = 100, rounds = CROWD_ROUNDS })
        if not result then
            report({ what = "tftp 100 clients against " .. peer, skipped = why })
        elseif not best or result.rate[2] > best.rate[2] then
            best, best_peer = result, peer
        end
        ours = result or ours
    end
    if best then
        row("tftp 100 clients, loopback", "MB/s", best.rate, best_peer, 0.95, 1.2, "higher")
    end
    if ours then
        local pair = { ours.memory[1], 8 }
        row("tftp 100 clients, the server's own memory", "MiB", pair, "the limit of 8 MiB", 1.0, 1.0, "lower")
    end
end

--- A bare ping-pong of blocks of the same size: what the line allows.
local function ping_pong(place, count)
    local pong = start(("%s%s pong %s 1000 1472"):format(place.server, client, place.host))
    job.sleep(0.1)
    local ping = "%s timeout -s KILL 60 %s ping %s 1000 %d 2>&1"
    local answer = output(ping:format(place.client, client, place.host, count))
    stop(pong)
    local bytes, seconds = answer:match("^(%d+) ([%d.]+) 0$")
    return bytes and bytes / 1472 * 1468 / MB / seconds
end

local function lock_step_on_line(place)
    local size = MB
    local server, why = serve("jflash", place, data(size))
    if not server then
        return report({ what = "tftp lock-step 1468, 0.3 ms", skipped = why })
    end
    local ours, floor = {}, {}
    for i = 1, 21 do -- short and many: the two differ by less than the noise
        floor[i] = ping_pong(place, size // 1468 + 1) or 0
        local bytes, seconds = fetch(place, server, {})
        ours[i] = bytes and bytes / MB / seconds or 0
    end
    stop(server)
    local pair = { median(ours), median(floor) }
    row("tftp lock-step 1468, 0.3 ms round trip", "MB/s", pair, "UDP ping-pong", 0.97, 0.99, "higher")
end

--- Both servers of a pair need port 69 on the line's one address: they take turns.
local function compare_on_line(place, dir, peer, options)
    local rates = { {}, {} }
    for _ = 1, options.rounds or ROUNDS do
        for i, name in ipairs({ "jflash", peer }) do
            local server, why = serve(name, place, dir)
            if not server then
                return nil, why
            end
            local bytes, seconds = fetch(place, server, options)
            stop(server)
            if not bytes then
                return nil, "the transfer from " .. name .. " failed"
            end
            table.insert(rates[i], bytes / MB / seconds)
        end
    end
    return { median(rates[1]), median(rates[2]) }
end

local function on_line()
    local place, why = line(150, 0)
    if not place then
        return report({ what = "tftp, 0.3 ms round trip", skipped = why })
    end
    lock_step_on_line(place)
    local dir = data(20 * MB)
    for _, window in ipairs({ 16, 64 }) do
        local what = ("tftp windowsize %d, 0.3 ms round trip"):format(window)
        local pair, reason = compare_on_line(place, dir, "atftpd", { window = window })
        if pair then
            row(what, "MB/s", pair, "atftpd", 1.0, 1.08, "higher")
        else
            report({ what = what, skipped = reason })
        end
    end
    place.close()
end

local function with_loss()
    local what = "tftp lock-step 1468, 0.3 ms round trip, 0.1 % loss"
    local place, why = line(150, 1000)
    if not place then
        return report({ what = what, skipped = why })
    end
    local pair, reason = compare_on_line(place, data(4 * MB), "tftpd-hpa", { rounds = 3 })
    place.close()
    if not pair then
        return report({ what = what, skipped = reason })
    end
    row(what, "MB/s", pair, "tftpd-hpa", 3, 4.5, "higher")
end

local function main()
    os.execute(("mkfifo %s/stdin"):format(scratch))
    local keeper = start(("sleep 600 >%s/stdin"):format(scratch))
    local opener = start(("sleep 600 <%s/stdin"):format(scratch)) -- lets the keeper's open return
    on_loopback()
    hundred_clients()
    on_line()
    with_loss()
    stop(keeper)
    stop(opener)
end

local ok, message = xpcall(main, debug.traceback)
os.execute("rm -rf " .. scratch)
if not ok then
    error(message, 0)
end
