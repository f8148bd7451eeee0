-- SPDX-License-Identifier: Apache-2.0
--
-- What is sent and trusted where images are fetched: what is taken, what is refused,
-- and that no secret is ever shown.
local credentials = require("jflash.credentials")
local errors = require("jflash.errors")
local job = require("jflash.job")
local scratches = require("tests.support.scratch")
local urls = require("jflash.url")

local scratch

before_each(function() scratch = scratches.new() end)
after_each(function() scratch:close() end)

local function refused(values)
    local ok, failure = pcall(credentials.settle, values)
    assert.is_false(ok)
    assert.is_true(errors.is(failure))
    assert.equal("config", failure.class)
    return failure.message .. (failure.hint or "")
end

describe("headers", function()
    it("are taken from the command line and from files", function()
        local path = scratch:write("headers", "X-One: 1\r\n\nX-Two:two words \n")
        local settings = credentials.settle({ header = { "X-Zero:0", "@" .. path } })
        assert.same({ "X-Zero: 0", "X-One: 1", "X-Two: two words" }, settings.headers)
    end)

    it("are refused when they are none, without their value", function()
        for _, text in ipairs({ "hidden-secret", "Na me: hidden-secret", ": hidden-secret",
            "Näme: hidden-secret", "Name : hidden-secret", "X: hidden-secret\r\nY: 1",
            "X: hidden-secret\n", "X:", "X: \0hidden-secret", "Range: hidden-secret",
            "if-range: hidden-secret", "Accept-Encoding: hidden-secret", "@/nonexistent/file" }) do
            assert.is_nil(refused({ header = { text } }):find("hidden", 1, true), text)
        end
    end)

    it("are refused when one comes twice, in whatever case", function()
        assert.matches("X%-KEY was given before", refused({ header = { "x-key: 1", "X-KEY: 2" } }))
    end)

    it("beat a token when they name an authorization", function()
        local settings, warnings = credentials.settle({
            header = { "authorization: Basic YWJjZGVmZ2g=" }, bearer = "other-token" })
        assert.is_nil(settings.bearer)
        assert.matches("bearer token is not used", warnings[1])
    end)

    it("are secrets", function()
        credentials.settle({ header = { "X-Key: swordfish-1", "Authorization: Bearer swordfish-2" } })
        assert.is_nil(job.redact("swordfish-1 and swordfish-2"):find("swordfish", 1, true))
    end)
end)

describe("a bearer token", function()
    it("comes from the command line or a file", function()
        assert.equal("abc.def", credentials.settle({ bearer = "abc.def" }).bearer)
        local path = scratch:write("token", "abc-123~+/=\n")
        assert.equal("abc-123~+/=", credentials.settle({ bearer_file = path }).bearer)
        assert.equal(("x"):rep(4096), credentials.settle({ bearer = ("x"):rep(4096) }).bearer)
    end)

    it("is refused when it cannot be one, without saying it", function()
        for _, token in ipairs({ "", "hidden token", "hidden'token", 'hidden"token', "hidden\\token",
            "hidden\ttoken", "hidden\ntoken", "hidden\195\164token", "hidden`token",
            "hidden" .. ("x"):rep(4091) }) do
            assert.is_nil(refused({ bearer = token }):find("hidden", 1, true))
        end
        refused({ bearer = "a-token", bearer_file = "b" })
        refused({ bearer_file = "/nonexistent/file" })
        refused({ bearer_file = scratch:write("two", "a-token\nb-token\n") })
        refused({ bearer_file = scratch:write("none", "") })
    end)

    it("is a secret", function()
        credentials.settle({ bearer = "swordfish-3" })
        assert.equal("[redacted]", job.redact("swordfish-3"))
    end)
end)

describe("authorities", function()
    it("must be a PEM file", function()
        local good = scratch:write("ca.pem", "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n")
        assert.equal(good, credentials.settle({ cacert = good }).cacert)
        assert.matches("no certificate", refused({ cacert = scratch:write("ca.der", "\48\130") }))
        assert.matches("nonexistent", refused({ cacert = "/nonexistent/ca.pem" }))
    end)

    it("are the board's where the command line names none", function()
        local pem = "-----BEGIN CERTIFICATE-----\n"
        local one, two = scratch:write("one.pem", pem), scratch:write("two.pem", pem)
        local settings = credentials.settle({})
        credentials.add_board(settings, { cacert = one })
        assert.equal(one, settings.cacert)
        settings = credentials.settle({ cacert = two })
        credentials.add_board(settings, { cacert = one })
        assert.equal(two, settings.cacert)
    end)
end)

describe("a URL", function()
    it("is shown without what may be secret", function()
        for given, shown in pairs({
            ["https://h/a/b.img?token=x#y"] = "https://h/a/b.img",
            ["https://user:pass@h:8443/a"] = "https://h:8443/a",
            ["https://us@er:p@h/a@b"] = "https://h/a@b",
            ["http://h?x"] = "http://h",
            ["HTTP://h/#x"] = "HTTP://h/",
            ["/a/b?c"] = "/a/b?c",
            ["-"] = "-",
        }) do
            assert.equal(shown, urls.shown(given))
        end
    end)

    it("has secrets that the log knows", function()
        urls.keep_secrets("https://me:pa%40ssword1@h/a?sig=abcdefgh1&x=1#z")
        assert.is_nil(job.redact("pa%40ssword1"):find("ssword1", 1, true))
        assert.is_nil(job.redact("pa@ssword1"):find("ssword1", 1, true))
        assert.is_nil(job.redact("sig=abcdefgh1"):find("abcdefgh1", 1, true))
        urls.keep_secrets("/a/path?without=secrets1")
        assert.equal("secrets1", job.redact("secrets1"))
    end)

    it("is told from a path", function()
        assert.is_true(urls.is_http("https://h/a"))
        assert.is_true(urls.is_http("HTTP://h/a"))
        assert.is_false(urls.is_http("oci://h/a"))
        assert.is_false(urls.is_http("/a/http://x"))
    end)
end)
