-- SPDX-License-Identifier: Apache-2.0
local job = require("jflash.job")

describe("jflash.job", function()
    it("sleeps for the time asked", function()
        local before = job.now()
        assert.is_true(job.sleep(0.02))
        assert.is_true(job.now() - before >= 0.02)
    end)

    it("ends waits in a masked section at the section's deadline", function()
        local guard <close> = job.mask(0.02)
        local ok, message, code = job.sleep(30)
        assert.is_nil(ok)
        assert.equal("timeout", code)
        assert.equal("timeout", message)
        assert.is_not_nil(guard)
    end)

    it("tells a cancelled wait from one that timed out, and can be reset", function()
        job.cancel(2)
        local ok, message, code = job.sleep(30)
        local _, signal = job.cancelled()
        job.reset()
        assert.is_nil(ok)
        assert.equal("cancelled", code)
        assert.equal("cancelled by SIGINT", message)
        assert.equal("SIGINT", signal)
        assert.is_true(job.sleep(0))
    end)

    it("lets clean-up wait while a cancellation is pending", function()
        job.cancel(15)
        do
            local guard <close> = job.mask(5)
            assert.is_true(job.sleep(0.01))
            assert.is_not_nil(guard)
        end
        local _, _, code = job.sleep(1)
        job.reset()
        assert.equal("cancelled", code)
    end)

    it("redacts secrets in plain, base64 and URL-escaped form", function()
        job.secret("s3cr3t value/+")
        local cases = {
            { "a s3cr3t value/+ b", "a [redacted] b" },
            { "q=s3cr3t%20value%2F%2B&x", "q=[redacted]&x" },
            { "s3cr3t value", "s3cr3t value" },
        }
        for _, case in ipairs(cases) do
            assert.equal(case[2], job.redact(case[1]))
        end
        -- printf 'user:s3cr3t value/+' | base64
        local header = job.redact("Basic dXNlcjpzM2NyM3QgdmFsdWUvKw==")
        assert.is_nil(header:find("czNjcjN0", 1, true))
        assert.is_truthy(header:find("[redacted]", 1, true))
    end)
end)
