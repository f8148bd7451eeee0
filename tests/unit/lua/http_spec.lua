-- SPDX-License-Identifier: Apache-2.0
--
-- The module's own rules; what clients see is in tests/peers/http_spec.lua.
local http = require("jflash.http")

describe("jflash.http", function()
    local server

    before_each(function()
        server = assert(http.serve())
    end)

    after_each(function()
        server:close()
    end)

    it("takes a free port of the loopback address", function()
        assert.equal("127.0.0.1", server:host())
        assert.is_true(server:port() > 0)
    end)

    it("has a token of its own in each server", function()
        local other <close> = assert(http.serve())
        local token = server:add("a", { bytes = "" }):match("^/(%x+)/a$")
        assert.equal(32, #token)
        assert.not_equal(token, other:add("a", { bytes = "" }):match("^/(%x+)/a$"))
    end)

    it("names the address it cannot have", function()
        local second, message, code, errno = http.serve({ port = server:port() })
        assert.is_nil(second)
        assert.equal("io", code)
        assert.equal("EADDRINUSE", errno)
        assert.matches("127%.0%.0%.1:" .. server:port(), message)
    end)

    it("refuses a host that is no IPv4 address", function()
        local _, message, code = http.serve({ host = "::1" })
        assert.equal("unsupported", code)
        assert.matches('"::1" is no IPv4 address', message)
    end)

    it("tells why a file cannot be registered", function()
        local cases = {
            { "/no/such/file", "io", "ENOENT" },
            { "/tmp", "unsupported" },
            { "/dev/null", "unsupported" },
        }
        for _, case in ipairs(cases) do
            local path, message, code, errno = server:add("a", { file = case[1] })
            assert.is_nil(path)
            assert.is_truthy(message:find(case[1], 1, true))
            assert.equal(case[2], code)
            assert.equal(case[3], errno)
        end
    end)

    it("registers a name once, until it is removed", function()
        assert(server:add("a", { bytes = "1" }))
        local path, _, code, errno = server:add("a", { bytes = "2" })
        assert.is_nil(path)
        assert.equal("io", code)
        assert.equal("EEXIST", errno)
        assert.is_true(server:remove("a"))
        assert.is_false(server:remove("a"))
        assert(server:receive("a", { file = "/tmp/never", limit_bytes = 1 }))
        assert.is_nil(server:received("a"))
    end)

    it("raises on misuse", function()
        local good = string.rep("0", 64)
        local cases = {
            { "add", "", { bytes = "" } },
            { "add", ".", { bytes = "" } },
            { "add", "../x", { bytes = "" } },
            { "add", "a/b", { bytes = "" } },
            { "add", "a b", { bytes = "" } },
            { "add", string.rep("a", 128), { bytes = "" } },
            { "add", "a" },
            { "add", "a", {} },
            { "add", "a", { bytes = "", file = "/etc/hostname" } },
            { "add", "a", { bytes = "", colour = "red" } },
            { "add", "a", { bytes = 1 } },
            { "add", "a", { bytes = "", sha256 = "0123" } },
            { "add", "a", { bytes = "", sha256 = good:gsub("0", "X") } },
            { "add", "a", { bytes = "", type = "text/plain\r\nX: y" } },
            { "add", "a", { stream = "no stream" } },
            { "add", "a", { stream = io.stdout } },
            { "receive", "a", { file = "/tmp/x" } },
            { "receive", "a", { limit_bytes = 1 } },
            { "receive", "a", { file = "/tmp/x", limit_bytes = -1 } },
            { "only", "example.org" },
            { "wait", "a", { timeout = 1 } },
        }
        for i, case in ipairs(cases) do
            assert.is_false(pcall(server[case[1]], server, table.unpack(case, 2)), "case " .. i)
        end
        assert.is_false(pcall(http.serve, { port = 65536 }))
        assert.is_false(pcall(http.serve, { ports = 1 }))
        assert.same({}, server:transfers())
    end)

    it("waits no longer than it is told", function()
        server:add("a", { bytes = "1" })
        local transfer, message, code = server:wait("a", { timeout_s = 0.02 })
        assert.is_nil(transfer)
        assert.equal("timeout", code)
        assert.matches('"a"', message)
        assert.is_nil(server:progress("a"))
    end)

    it("may be closed twice, and raises when it is used after", function()
        server:close()
        server:close()
        assert.has_error(function()
            server:port()
        end, "the HTTP server is closed")
    end)
end)
