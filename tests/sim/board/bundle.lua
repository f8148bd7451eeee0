-- SPDX-License-Identifier: Apache-2.0
--
-- DIR/bundle: the files that the board's U-Boot and Linux are content with.
local wire = require("wire")

local M = {}

-- An arm64 kernel's magic stands at 56.
local IMAGE = ("\0"):rep(56) .. "ARMd" .. ("\0"):rep(4) .. ("sim kernel "):rep(400)
-- gzip of nothing.
local INITRAMFS = "\31\139\8\0\0\0\0\0\0\3\3\0\0\0\0\0\0\0\0\0"
local DTB_MAGIC = "\xd0\x0d\xfe\xed"

local FILES = {
    ["Image"] = IMAGE,
    ["initramfs.gz"] = INITRAMFS,
    ["board-a.dtb"] = DTB_MAGIC .. "board-a",
    ["board-b.dtb"] = DTB_MAGIC .. "the other board",
}

--- Makes the folder; the manifest is a copy of `manifest`.
function M.build(dir, manifest)
    wire.mkdir(dir .. "/bundle")
    wire.mkdir(dir .. "/bundle/data")
    wire.copy(manifest, dir .. "/bundle/manifest.yaml")
    for name, bytes in pairs(FILES) do
        local file <close> = assert(io.open(("%s/bundle/data/%s"):format(dir, name), "wb"))
        assert(file:write(bytes))
    end
end

return M
