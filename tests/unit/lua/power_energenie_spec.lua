-- SPDX-License-Identifier: Apache-2.0
--
-- Power by an EnerGenie, against a fake of its web page (tests/support/fake_web_plugs.py).
local client = require("jflash.http_client")
local scratches = require("tests.support.scratch")
local support = require("tests.support.power")
local web = require("tests.support.web")

describe("power by an EnerGenie", function()
    local scratch, server

    setup(function()
        scratch = scratches.new()
        server = web.plugs(scratch)
    end)

    teardown(function()
        server:close()
        scratch:close()
    end)

    local function open(password, slot)
        return support.open({ type = "energenie", host = server.host, slot = slot or 2, password = password })
    end

    it("switches its socket, asks for its state, and lets others in", function()
        local power = open("open sesame")
        power:on()
        assert.equal("on", power:state())
        power:cycle(0)
        power:off()
        assert.equal("off", power:state())
    end)

    it("says that the password is wrong, once", function()
        local power = open("wrong-password")
        local failure = support.failure_of(power.on, power)
        assert.equal(("power on: %s: the login was refused"):format(server.url), failure.message)
        assert.truthy(failure.hint:find("password", 1, true))
    end)

    it("says that somebody else is logged in, after three tries", function()
        local page = assert(client.ask({ url = server.url .. "/login.html", name = "page", method = "POST",
            body = "pw=open%20sesame" }))
        assert.truthy(page.body:find("sockstates", 1, true))
        local power = open("open sesame")
        local failure = support.failure_of(power.off, power)
        assert.truthy(failure.message:find("somebody else is logged in (3 tries)", 1, true), failure.message)
        assert(client.ask({ url = server.url .. "/login.html", name = "log-out" }))
        power:off()
    end)
end)
