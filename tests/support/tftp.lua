-- SPDX-License-Identifier: Apache-2.0
--
-- What the TFTP specs share: files, random bytes, running clients.
local M = {}

--- A new directory under /tmp.
---@return string path
function M.temp_dir()
    local pipe <close> = assert(io.popen("mktemp -d /tmp/jflash-tftp.XXXXXX"))
    return pipe:read("l")
end

---@param dir string
function M.remove(dir)
    assert(dir:match("^/tmp/jflash%-tftp%."))
    os.execute("rm -rf " .. dir)
end

---@param path string
---@return string|nil bytes nil when there is no such file
function M.read(path)
    local file <close> = io.open(path, "rb")
    return file and file:read("a")
end

---@param path string
---@param bytes string
function M.write(path, bytes)
    local file <close> = assert(io.open(path, "wb"))
    assert(file:write(bytes))
end

--- Bytes that do not repeat within a block.
---@param size_bytes integer
---@return string
function M.random_bytes(size_bytes)
    local file <close> = assert(io.open("/dev/urandom", "rb"))
    return size_bytes > 0 and file:read(size_bytes) or ""
end

--- Runs a shell command (without single quotes) for at most a minute.
---@param command string
---@return boolean ok
---@return string output of both kinds
function M.run(command)
    local pipe = assert(io.popen("timeout -s KILL 60 sh -c '" .. command .. "' 2>&1 </dev/null"))
    local output = pipe:read("a")
    return pipe:close() == true, output
end

--- Runs a client; in its command `HOST`, `PORT` and `DIR` are replaced.
---@return boolean ok
---@return string output
function M.client(server, dir, command)
    local words = { HOST = server:host(), PORT = tostring(server:port()), DIR = dir }
    return M.run((command:gsub("%u%u%u+", words)))
end

--- Sends the probe of tftp_probe.py.
---@return string[] lines what came back
function M.probe(server, name, host)
    local command = ("/usr/bin/python3 tests/peers/tftp_probe.py %s %s %d"):format(
        name, host or server:host(), server:port())
    local ok, output = M.run(command)
    assert(ok, output)
    local lines = {}
    for line in output:gmatch("[^\n]+") do
        lines[#lines + 1] = line
    end
    return lines
end

--- Starts the lossy relay; close it.
---@param weather { loss: number, doubling: number, reorder: number } shares of 1
---@return { port: integer }
function M.relay(server, weather, seed)
    local command = "exec /usr/bin/python3 tests/peers/tftp_relay.py %d %g %g %g %d"
    command = command:format(server:port(), weather.loss, weather.doubling, weather.reorder, seed)
    local pipe = assert(io.popen(command))
    local pid, port = pipe:read("n", "n")
    return setmetatable({ port = port }, {
        __close = function()
            os.execute("kill -9 " .. pid) -- SIGTERM is blocked in our children
            pipe:close()
        end,
    })
end

return M
