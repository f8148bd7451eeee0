-- SPDX-License-Identifier: Apache-2.0
--
-- Options of flash that change no byte on the storage: --dry-run, recipes of bundles,
-- and what is accepted since other programs have it.
local json = require("jflash.json")
local support = require("tests.e2e.support")
local sys = require("jflash.sys")

describe("--dry-run", function()
    local function dry(bench, args)
        return bench:flash({ "--dry-run", table.unpack(args) })
    end
    -- What a run would have left.
    local function assert_untouched(bench, result, wanted)
        wanted.cycles, wanted.storage = 0, "untouched"
        bench:assert_result(result, wanted)
        assert.same({}, bench.board:log("power"))
        assert.is_nil(sys.stat(bench:path(".local")))
    end

    it("prints the plan and touches nothing", function()
        local bench <close> = support.bench({}, { network = { method = "static", ipaddr = "127.0.0.9" },
            http = { host = "auto" } })
        bench:preflash("blkdiscard /dev/vda")
        local result = dry(bench, { bench:image("disk.img.xz") })
        assert_untouched(bench, result, { status = 0, never = { "flashed", "power off" } })
        for _, text in ipairs({
            "sim: a plan, nothing was done", "console    " .. bench.board.console,
            "power      power commands of board sim, off when done", "(" .. bench.board.bundle .. "), variant board-a",
            "kernel data/Image to 0x40400000, 4.5 kB", "dtb data/board-a.dtb to 0x4a000000",
            "disk.img.xz (xz, ", " to disk (/dev/vda)", "preflash   blkdiscard /dev/vda",
            "method     shell, read back and compared",
            "HTTP       on all addresses, any free port; the board asks 127.0.0.1",
        }) do
            assert(result.stdout:find(text, 1, true), text .. " is not in\n" .. result.stdout)
        end
    end)

    it("prints it for machines", function()
        local bench <close> = support.bench()
        bench:preflash("blkdiscard /dev/vda")
        local result = dry(bench, { "-t", "boot:" .. bench:image("b.img"), "--log-format", "json",
            "--no-verify", "--retries", "7", "--variant", "none" })
        assert.equal(0, result.status)
        local plan = assert(json.decode(result.stdout))
        assert.same({ "boot", "/dev/vda", "raw" }, { plan.pieces[1].label, plan.pieces[1].path, plan.pieces[1].format })
        assert.same({ 2, 0, 7, false, "none" }, { #plan.files, #plan.preflash, plan.retries, plan.verify,
            plan.bundle.variant })
        assert.truthy(result.stdout:find('"preflash":[]', 1, true))
    end)

    it("does not read standard input", function()
        local bench <close> = support.bench()
        local result = dry(bench, { "-" })
        assert_untouched(bench, result, { status = 0 })
        assert.truthy(result.stdout:find("- (not looked at) to disk", 1, true))
    end)

    it("asks no server, whatever is to be fetched", function()
        local bench <close> = support.bench()
        -- Nobody listens there.
        local place = "http://ann:secret-1@127.0.0.1:9/"
        for _, method in ipairs({ "shell", "fls" }) do
            local result = dry(bench, { place .. "a.xz", "--kernel", place .. "k", "--dtb",
                bench:image("d.dtb", "\xd0\x0d\xfe\xed"), "--method", method })
            assert_untouched(bench, result, { status = 0, never = { "secret-1" } })
            for _, text in ipairs({ "127.0.0.1:9/a.xz (not looked at) to disk",
                "127.0.0.1:9/k to 0x40400000, not fetched", "d.dtb to 0x4a000000, 4 B", "method     " .. method }) do
                assert(result.stdout:find(text, 1, true), text .. " is not in\n" .. result.stdout)
            end
            assert.is_nil(result.stdout:find("secret-1", 1, true))
        end
    end)

    it("needs no lock, and disturbs no run", function()
        local bench <close> = support.bench({ faults = { { kind = "silence", at = "banner" } } })
        local image = bench:image("disk.img")
        local run = bench:start_flash({ image })
        run:wait_until("power", function() return bench.board:state() == "on" end)
        local result = dry(bench, { image })
        assert.equal(0, result.status, result.stderr)
        assert.equal(5, run:wait().status)
    end)

    for name, case in pairs({
        ["a variant that is not there"] = { { "--variant", "x" }, 2, "prepare_bundle" },
        ["a target that is not there"] = { { "--target", "x" }, 2, "prepare_bundle" },
        ["a bundle that is not there"] = { { "--force-flash-bundle", "/nosuch" }, 2, "prepare_bundle" },
        ["a key of the power driver that is wrong"] = { { "--set", "power.colour=red" }, 2 },
        ["a checksum that differs"] = { { "--os-image-checksum", ("0"):rep(64) }, 3, "prove_source" },
    }) do
        it("ends as a run would for " .. name, function()
            local bench <close> = support.bench()
            local args = { bench:image("disk.img", "x"), table.unpack(case[1]) }
            local planned = dry(bench, args)
            assert_untouched(bench, planned, { status = case[2], step = case[3] })
            local run = bench:flash(args)
            assert.equal(planned.status, run.status)
            assert.equal(planned.stderr:match("\njflash: .*"), run.stderr:match("\njflash: .*"))
        end)
    end

    it("ends as a run would for an image that is not there, or damaged", function()
        local bench <close> = support.bench()
        assert_untouched(bench, dry(bench, { bench:path("nosuch") }), { status = 3, step = "prove_source" })
        support.write(bench:path("bad.xz"), "\xFD7zXZ\0" .. ("x"):rep(100))
        assert_untouched(bench, dry(bench, { bench:path("bad.xz") }), { status = 6, step = "prove_source" })
    end)
end)

describe("a recipe.lua inside a bundle", function()
    -- Says where it is, by a module of the bundle's folder.
    local RECIPE = [[
        local recipe = require("jflash.recipe.flash"):derive()
        recipe:after("prove_source", function(dut)
            dut.log.info("%s, %s", require("helpers.words"), require("jflash.nearest").hint("ab", { "ac" }))
        end)
        return recipe
    ]]

    local function bench_with(config)
        local bench = support.bench({}, config)
        local dir = bench.board.bundle
        assert(sys.mkdir(dir .. "/helpers"))
        assert(sys.mkdir(dir .. "/jflash"))
        support.write(dir .. "/recipe.lua", RECIPE)
        support.write(dir .. "/helpers/words.lua", 'return "the bundle\'s recipe runs"')
        support.write(dir .. "/jflash/nearest.lua", 'error("a bundle replaced a module")')
        return bench
    end

    it("is ignored, and that is said", function()
        local bench <close> = bench_with()
        bench:assert_result(bench:flash({ bench:image("disk.img") }), { status = 0, storage = "flashed",
            says = "recipe.lua is not run: --allow-bundle-recipe allows it", never = { "recipe runs" } })
    end)

    it("runs with --allow-bundle-recipe, with modules of its folder, and replaces none", function()
        local bench <close> = bench_with()
        bench:assert_result(bench:flash({ bench:image("disk.img"), "--allow-bundle-recipe" }), {
            status = 0, storage = "flashed", says = { "the bundle's recipe runs,  (did you mean 'ac'?)",
                bench.board.bundle .. "/recipe.lua, which the bundle brings" } })
    end)

    it("runs when the board's configuration allows it, also from --force-flash-bundle", function()
        local bench <close> = bench_with({ allow_bundle_recipe = true })
        local copy = bench:path("copy")
        support.shell(("cp -r '%s' '%s' && rm '%s/recipe.lua'"):format(bench.board.bundle, copy, bench.board.bundle))
        local result = bench:flash({ bench:image("disk.img"), "--force-flash-bundle", copy })
        bench:assert_result(result, { status = 0, says = "the bundle's recipe runs" })
    end)

    it("stands behind a recipe that the user named, whose require does not see the bundle", function()
        local bench <close> = bench_with()
        local result = bench:run_recipe('recipe:before("write", function() require("helpers.words") end)',
            { bench:image("disk.img"), "--allow-bundle-recipe" })
        bench:assert_result(result, { status = 1, step = "write", storage = "untouched",
            says = { "is not run: another recipe was chosen", "module 'helpers.words' not found" } })
    end)

    it("may not lead out of the bundle", function()
        local bench <close> = bench_with()
        local outside = bench:path("outside.lua")
        support.write(outside, RECIPE)
        support.shell(("ln -sf '%s' '%s/recipe.lua'"):format(outside, bench.board.bundle))
        bench:assert_result(bench:flash({ bench:image("disk.img"), "--allow-bundle-recipe" }), {
            status = 2, message = "leads out of the bundle", cycles = 0 })
    end)
end)

describe("an option that other programs have", function()
    support.rows({
        {
            name = "is accepted: --force-exporter-http", args = { "--force-exporter-http" },
            status = 0, storage = "flashed", says = "is what jflash does anyway",
        },
    }, it)
end)
