-- SPDX-License-Identifier: Apache-2.0
--
-- The bundles of real boards as they are shipped: their build scripts make a FIT,
-- and their manifests' addresses and boot commands start it on real U-Boot. The
-- virtual board stands in for the boards: it has their memory when it has enough,
-- and its own kernel and device tree are what is packed.
local sys = require("jflash.sys")
local virtual = require("tests.support.virtual")

local BYTES = 200003
-- RAM from 0x40000000 to 0xffffffff.
local MEMORY_MB = 3072

local boards = {
    { name = "ti-j784s4", target = "usd", trees = { "j784s4", "am69" },
        variants = { "j784s4", "custom", "j784s4-large" } },
    { name = "rcar-s4", target = "emmc", trees = { "spider", "s4sk" }, variants = { "s4sk" } },
    { name = "nxp-s32g3", target = "usd", trees = { "s32g3" }, variants = { "s32g3" } },
}

local function run(command)
    local result = assert(sys.run({ "sh", "-euc", command }, { timeout_s = 120 }))
    assert(result.status == 0, result.stderr)
end

describe("the bundle of", function()
    -- Builds the board's bundle from what the virtual board's has.
    local function build(bench, board)
        local data = bench.bundle .. "/data/"
        local kernel = bench.dir .. "/Image"
        run(("zcat '%sImage.gz' >'%s'"):format(data, kernel))
        local command = ("bundles/%s/build.sh --kernel '%s' --initram '%sinitramfs.cpio.gz'"):format(
            board.name, kernel, data)
        for _, tree in ipairs(board.trees) do
            command = ("%s --dtb %s='%svirt.dtb'"):format(command, tree, data)
        end
        run(("%s '%s/%s'"):format(command, bench.dir, board.name))
        bench.bundle = bench.dir .. "/" .. board.name
    end

    for _, board in ipairs(boards) do
        it(board.name .. " boots by its own manifest", virtual.test(function(bench)
            local dtb = bench.bundle .. "/data/virt-alt.dtb"
            build(bench, board)
            run(("'%s' bundle check '%s'"):format(virtual.program(), bench.bundle))
            local path, digest = bench:random_image("a.raw", BYTES)
            for _, variant in ipairs(board.variants) do
                local argv = {
                    "flash", path, "--variant", variant, "--set", "power.memory_mb=" .. MEMORY_MB,
                    "--set", ("targets.%s={path: /dev/vda}"):format(board.target),
                    variant == "custom" and "--dtb" or "--quiet", variant == "custom" and dtb or nil,
                }
                local result = bench:jflash(argv)
                bench:assert_flashed(result, bench.drive, BYTES, digest)
                os.remove(bench.drive)
            end
        end))
    end
end)
