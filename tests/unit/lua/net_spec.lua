-- SPDX-License-Identifier: Apache-2.0
local net = require("jflash.net")

describe("jflash.net", function()
    it("tells an IPv4 address from other texts", function()
        local cases = {
            ["192.0.2.1"] = true, ["0.0.0.0"] = true, ["192.0.2"] = false, ["192.0.2.256"] = false,
            ["::1"] = false, ["localhost"] = false, [""] = false, ["192.0.2.1 "] = false,
        }
        for text, expected in pairs(cases) do
            assert.equal(expected, net.is_ipv4(text), text)
        end
    end)

    it("says which of our addresses faces a host", function()
        assert.equal("127.0.0.1", net.address_towards("127.0.0.1"))
        assert.equal("127.0.0.1", net.address_towards("localhost"))
    end)

    it("explains why there is no address towards a host", function()
        local address, message, code, errno = net.address_towards("no-such-host.invalid")
        assert.is_nil(address)
        assert.equal("unsupported", code)
        assert.is_nil(errno)
        assert.matches("no%-such%-host%.invalid: no IPv4 address", message)
    end)

    it("lists the addresses of this host", function()
        local loopback
        for _, entry in ipairs(net.addresses()) do
            assert.is_true(net.is_ipv4(entry.address))
            loopback = entry.address == "127.0.0.1" and entry or loopback
        end
        assert.same({ interface = "lo", address = "127.0.0.1", prefix = 8, loopback = true,
            up = true }, loopback)
    end)

    it("finds an interface's address", function()
        assert.equal("127.0.0.1", net.interface_address("lo"))
        local address, message, code, errno = net.interface_address("no-such-if0")
        assert.is_nil(address)
        assert.equal("io", code)
        assert.equal("ENODEV", errno)
        assert.matches("no%-such%-if0", message)
    end)

    it("chooses loopback addresses at random, outside 127.0.0.0/24", function()
        local seen, different = {}, 0
        for _ = 1, 100 do
            local address = net.random_loopback()
            local b, c, d = address:match("^127%.(%d+)%.(%d+)%.(%d+)$")
            assert.is_truthy(b)
            assert.is_false(b == "0" and c == "0")
            assert.is_true(tonumber(d) > 0 and tonumber(d) < 255)
            different = different + (seen[address] and 0 or 1)
            seen[address] = true
        end
        assert.is_true(different > 90)
    end)
end)
