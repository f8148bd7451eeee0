-- SPDX-License-Identifier: Apache-2.0
--
-- What the TFTP specs share: files, random bytes, running a client.
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

--- Runs a shell command with a time limit; its output is dropped.
---@param command string
---@return boolean ok
function M.run(command)
    return os.execute("timeout 60 sh -c '" .. command .. "' >/dev/null 2>&1") == true
end

--- Fetches a name with curl.
---@return boolean ok
function M.curl(server, name, target, options)
    local url = ("tftp://%s:%d/%s"):format(server:host(), server:port(), name)
    return M.run(("curl -sS -m 50 %s -o %s %s"):format(options or "", target, url))
end

return M
