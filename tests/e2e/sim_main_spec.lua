-- SPDX-License-Identifier: Apache-2.0
--
-- The main path against the scripted board: whole runs that end well.
local support = require("tests.e2e.support")

describe("a flash of the scripted board", function()
    support.rows({
        {
            name = "ends with status 0, the image on the storage and nothing else changed",
            image = "disk.img.xz", status = 0, storage = "flashed", cycles = 1,
            says = { "sim: flashed and verified", "(equal)" },
        },
    }, it)
end)
