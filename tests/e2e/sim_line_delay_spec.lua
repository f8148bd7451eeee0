-- SPDX-License-Identifier: Apache-2.0
local support = require("tests.e2e.support")

describe("console.line_delay_s", function()
    it("pauses before each line", function()
        local bench <close> = support.bench(nil, { console = { line_delay_s = 0.1 } })
        local result = bench:flash({ bench:image("disk.img") })
        bench:assert_result(result, { status = 0, storage = "flashed" })
        assert.is_true(result.elapsed_s > 2, result.elapsed_s)
    end)
end)
