-- SPDX-License-Identifier: Apache-2.0
--
-- What goes wrong between the kernel and the first byte written: panics, a shell
-- that never comes, a flasher without network, a target that must not be written.
local support = require("tests.e2e.support")

local function untouched(row)
    row.status, row.storage = 5, "untouched"
    return row
end

local function fault(given)
    return { faults = { given } }
end

describe("a kernel", function()
    support.rows({
        untouched({
            name = "that panics", options = fault({ kind = "panic", at = "kernel" }),
            step = "login", within_s = 4, cycles = 1,
            message = "the kernel panicked", console = "Kernel panic - not syncing",
        }),
        untouched({
            name = "that panics and reboots is reported as a panic",
            options = fault({ kind = "panic", at = "kernel", reboot_after_s = 0.1 }),
            step = "login", within_s = 4, message = "the kernel panicked",
        }),
        {
            name = "that panics once is tried again from the power cycle on",
            options = fault({ kind = "panic", at = "kernel", times = 1 }),
            config = { retries = 1 }, status = 0, storage = "flashed", cycles = 2,
        },
        untouched({
            name = "that hangs", options = fault({ kind = "silence", at = "kernel" }),
            step = "login", within_s = 4, message = "login:", console = "Starting kernel", hint = "bootcmd",
        }),
        untouched({
            name = "that U-Boot refuses to start", step = "login", within_s = 4,
            prepare = function(bench)
                support.write(bench.board.bundle .. "/data/Image", "this is no kernel")
                return bench:image("disk.img")
            end,
            message = "the boot command returned to U-Boot with status",
            console = "Bad Linux ARM64 Image magic", hint = "bootcmd",
        }),
    }, it)
end)

describe("a flasher's shell", function()
    support.rows({
        untouched({
            name = "that never comes", options = fault({ kind = "silence", at = "shell" }),
            step = "login", within_s = 10, console = "login: root",
        }),
        untouched({
            name = "that is another one", config = { login = { prompt = "J7:~> " } },
            step = "login", within_s = 3, hint = "login.prompt",
        }),
        untouched({
            name = "that hangs", step = "resolve_target", within_s = 12,
            options = fault({ kind = "silence", at = "line", match = "/sys/class/block" }),
            message = "does not answer",
        }),
        untouched({
            name = "that ends by itself", step = "resolve_target", within_s = 12,
            options = fault({ kind = "die", at = "line", match = "/sys/class/block" }),
            message = "login again",
        }),
    }, it)
end)

describe("a flasher's network", function()
    support.rows({
        untouched({
            name = "that does not work", options = fault({ kind = "no_network", at = "shell" }),
            step = "login", within_s = 20, hint = "",
        }),
        {
            name = "that refuses one connection is asked again",
            options = fault({ kind = "connection", action = "refuse", times = 1, match = "/reach" }),
            status = 0, storage = "flashed", cycles = 1,
        },
    }, it)
end)

describe("a target", function()
    local function refused(row)
        row.step, row.cycles = row.step or "resolve_target", row.cycles or 1
        row.config = row.config or {}
        row.config.retries = 2 -- which must not be used
        return untouched(row)
    end
    local function disks(...)
        return { disks = { ... } }
    end
    support.rows({
        refused({
            name = "that is read-only", options = disks({ bytes = 6 << 20, read_only = true }),
            message = "read-only", hint = "write-protect",
        }),
        refused({
            name = "that is mounted", options = disks({ bytes = 6 << 20, mounted = "/mnt" }),
            message = { "mounted", "/mnt" },
        }),
        refused({
            name = "that is not there",
            options = disks({ bytes = 6 << 20, name = "vdb" }),
            message = { "/dev/vda is no block device", "/dev/vdb" },
        }),
        refused({
            name = "that is larger than configured",
            config = { targets = { disk = { path = "/dev/vda", max_size = 1 << 20 } } },
            message = "size is 6291456", hint = "targets",
        }),
        refused({
            name = "of another model than configured",
            config = { targets = { disk = { path = "/dev/vda", model = "OTHER" } } },
            message = "SIM DISK",
        }),
        refused({
            name = "that is the manifest's default is looked for where the board's configuration says",
            config = { targets = { disk = { path = "/dev/vdc" } } },
            message = "/dev/vdc is no block device",
        }),
        refused({
            name = "whose address fits none", config = { targets = { disk = { path = "/sys/class/block#feed" } } },
            message = { "/sys/class/block#feed: no disk on the board fits", "/dev/vda" },
            hint = "links in /sys/class/block",
        }),
        refused({
            name = "whose address fits two disks", args = { "--target", "sysfs" },
            options = disks({ bytes = 6 << 20 }, { bytes = 6 << 20 }),
            message = { "several disks", "vda", "vdb" },
        }),
    }, it)
end)

describe("a preflash command", function()
    local function preflash(command, row)
        row.prepare = support.preflash(command)
        support.rows({ row }, it)
    end
    preflash("dd if=/dev/zero of=/dev/vda bs=512 count=1", {
        name = "is run before the write", status = 0, storage = "flashed",
        also = function(bench)
            assert.is_truthy(table.concat(bench.board:texts("shell"), "\n"):find("count=1", 1, true))
        end,
    })
    preflash("ls /nosuch", untouched({
        name = "that fails ends the run", step = "preflash", message = "nosuch", hint = "preflash_commands",
    }))
    preflash("sleep 60", untouched({
        name = "that does not end", step = "preflash", within_s = 5, message = "sleep 60",
        config = { timeouts = { preflash_s = 2 } },
    }))
end)
