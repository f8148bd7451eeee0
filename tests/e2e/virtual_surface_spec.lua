-- SPDX-License-Identifier: Apache-2.0
--
-- Options, manifest entries and refusals on the virtual board that the other specs
-- here do not come by. A boot is what costs, so each looks at many things: recipes
-- look from inside, at what real U-Boot and a real kernel answer.
local scratches = require("tests.support.scratch")
local sys = require("jflash.sys")
local virtual = require("tests.support.virtual")
local web = require("tests.support.web")

local MIB = 1 << 20
local HEADER = "the-key"

local function shell(command)
    local result = assert(sys.run({ "/bin/sh", "-c", command }, { timeout_s = 60 }))
    assert(result.status == 0, command .. ": " .. result.stderr)
    return result.stdout
end

local function count(text, pattern)
    return select(2, text:gsub(pattern, ""))
end

local function assert_says(result, texts)
    for _, text in ipairs(texts) do
        assert(result.stderr:find(text, 1, true), text .. " is not in\n" .. result.stderr)
    end
end

-- What stands before and behind a recipe's changes. `fails` gives the error object
-- that a function raises.
local RECIPE = [[
local recipe = require("jflash.recipe.flash"):derive()
local function fails(what, ...)
    local ok, failure = pcall(what, ...)
    assert(not ok and type(failure) == "table", "it did not fail")
    return failure
end
local function has(text, part)
    assert(text:find(part, 1, true), part .. " is not in " .. text)
end
%s
return recipe
]]

-- U-Boot's statuses, output and missing files; the flasher's environment, clock and
-- device tree; targets that are looked for and refused.
local LOOKS = [[
local targets = require("jflash.target")

recipe:after("network", function(dut)
    for _, name in ipairs({ "console", "power", "uboot", "tftp", "http", "manifest", "image", "log" }) do
        assert(dut[name], "dut." .. name)
    end
    assert(select(2, dut.uboot:frame("false")) == 1)
    assert(fails(dut.uboot.run, dut.uboot, "nosuch").code == "status")
    has(dut.uboot:run("version"), "U-Boot 20")
    local _ <close> = dut.tftp:open(dut.address.ipaddr, 60)
    dut.tftp:introduce(dut.uboot)
    local failure = fails(dut.uboot.tftpboot, dut.uboot, "0x40400000", "no/such", 1, { timeout_s = 60 })
    assert(failure.class == "board")
    has(failure.message, "not found")
end)

recipe:after("login", function(dut)
    local shell = dut.shell
    has(shell:run("cat /proc/device-tree/model"), "virt-alt")
    assert(shell:run("echo [$dhcp_addr $gw_addr]") == "[10.0.2.15 10.0.2.2]\n")
    local output, status = shell:frame("echo '# '; (exit 3)")
    assert(output == "# \n" and status == 3)
    shell:run("date -s @86400")
    require("jflash.flasher").prepare(dut)
    assert(math.abs(shell:run("date +%s") - os.time()) < 60, "the clock is wrong")
    assert(shell:run("cat /proc/sys/vm/dirty_bytes") == "0\n")
end)

recipe:before("resolve_target", function(dut)
    local function refused(path, part, options)
        local failure = fails(targets.resolve, dut, "disk", path, options or {})
        assert(failure.class == "board" and failure.retry == 0)
        has(failure.message, part)
    end
    refused("/dev/nosuch", "it has /dev/mmcblk0 (1.1 GB), /dev/vda (1.1 GB)")
    refused("/sys/class/block#nosuch", "no disk on the board fits")
    refused("/sys/class/block#devices/platform", "fits several disks: mmcblk0, vda")
    refused("/dev/vda", "no partition with the label", { label = "root" })
    dut.board.targets.disk = { path = "/dev/vda", min_size = 1 << 40 }
    refused("/dev/vda", "the board's configuration says at least")
    dut.board.targets.disk = nil
end)

recipe:after("preflash", function(dut)
    assert(dut.shell:run("cat /proc/sys/vm/dirty_bytes") == "16777216\n")
end)
]]

-- A device tree by a step, and in the flasher an address of its own and no gateway;
-- U-Boot needs one to reach a loopback address of this host.
local OWN = [[
recipe:before("load", function(dut) dut:use_dtb(%q) end)
recipe:after("network", function(dut)
    assert(dut.address.ipaddr == "10.0.2.77" and not dut.address.gateway)
    dut.uboot:setenv("gatewayip", "10.0.2.2")
end)
recipe:after("login", function(dut)
    has(dut.shell:run("cat /proc/device-tree/model"), "virt-alt")
    has(dut.shell:run("ip addr show dev eth0"), "10.0.2.77/24")
    assert(not dut.shell:run("ip route"):find("default"))
    assert(dut.shell:run("echo [$dhcp_addr $gw_addr]") == "[10.0.2.77 ]\n")
end)
recipe:after("preflash", function(dut)
    assert(dut.shell:run("cat /proc/sys/vm/dirty_bytes") == "0\n")
end)
]]

local EXPORTER = [[
apiVersion: jumpstarter.dev/v1alpha1
kind: ExporterConfig
metadata: {namespace: lab, name: virtual}
endpoint: lab.example.com:443
token: not-used-here
export:
  storage:
    type: jumpstarter_driver_flashers.driver.BaseFlasher
    config: {flasher_bundle: /replaced, variant: virt-alt, default_target: disk, http_dir: /var/tmp/http}
    children:
      serial: {ref: serial}
      power: {ref: power}
      http: {type: jumpstarter_driver_http.driver.HttpServer, config: {host: 127.0.0.1, port: 0}}
      uboot: {type: jumpstarter_driver_uboot.driver.UbootConsole, config: {prompt: "=>"}}
  serial:
    type: jumpstarter_driver_pyserial.driver.PySerial
    config: {url: "%s/no-such-tty", check_present: false}
  power:
    type: jumpstarter_driver_qemu.driver.QemuPower
    config: {}
]]
local MACHINE = "{type: qemu, binary: qemu-system-aarch64, machine: virt, cpu: cortex-a57, memory_mb: 1024, "
    .. "bios: /usr/lib/u-boot/qemu_arm64/u-boot.bin, drive_size: 1G, card_size: 1G}"

describe("on the virtual board", function()
    local bench

    before_each(function()
        bench = virtual.bench()
    end)

    after_each(function()
        bench:close()
    end)

    local function recipe(name, changes)
        local path = bench.dir .. "/" .. name
        assert(sys.write_file(path, RECIPE:format(changes)))
        return path
    end

    local function partitioned_drive()
        shell(("truncate -s 16M '%s' && sgdisk --clear -n 1:2048:+4M -c 1:boot '%s'"):format(
            bench.drive, bench.drive))
    end

    it("a recipe sees what real U-Boot and a real kernel answer, and secrets are shown nowhere", function()
        local scratch <close> = scratches.new()
        local server <close> = web.nginx(scratch, { tls = true })
        local bytes = MIB + 77
        local path, digest = bench:random_image("a.xz", bytes)
        assert(sys.rename(path, scratch:file("www/keyed/disk.img")))
        scratch:sh("chmod 644 www/keyed/disk.img && sha256sum www/keyed/disk.img >sums")
        local kept = bench.dir .. "/kept"
        local result = bench:jflash({ "run", recipe("looks.lua", LOOKS), server.url .. "/keyed/disk.img",
            "--header", "X-Key: " .. HEADER, "-k", "--os-image-checksum-file", scratch:file("sums"),
            "--force-exporter-http", "--variant", "virt-alt", "--console-debug", "--retries", "0",
            "--no-power-off", "--run-dir", kept,
            "--set", "targets.place={path: '/sys/class/block#.virtio_mmio/'}", "--target", "place" })
        assert.equal(0, result.status, result.stderr)
        assert_says(result, { "place is /dev/vda", "flashed and verified", "the power stays on", "Starting kernel",
            "image goes through this host", "digest read back sha256:" .. digest .. " (equal)" })
        assert.equal("on\n", bench:jflash({ "power", "state" }).stdout)
        assert.equal(0, bench:jflash({ "power", "off" }).status)
        assert.equal("off\n", bench:jflash({ "power", "state" }).stdout)
        assert.equal(digest, virtual.digest_of(bench.drive, bytes))
        assert.same({ "console.log", "events.jsonl", "result.json" }, (function(list)
            table.sort(list)
            return list
        end)(sys.list(kept)))
        assert.is_nil(result.stderr:find(HEADER, 1, true))
        assert.equal("", shell(("grep -rl -e '%s' '%s' '%s' || :"):format(HEADER, kept, bench.dir .. "/state")))
        assert.same({}, bench:processes())
    end)

    it("one's own files, a static address and no gateway do; partitions spare the preflash commands", function()
        local data = bench.bundle .. "/data/"
        partitioned_drive()
        local kernel = bench.dir .. "/kernel"
        shell(("zcat '%sImage.gz' >'%s'"):format(data, kernel))
        local path, digest = bench:random_image("a.zst", MIB)
        local result = bench:jflash({ "run", recipe("own.lua", OWN:format(data .. "virt-alt.dtb")),
            "-t", "boot:" .. path, "--kernel", kernel, "--initram", data .. "initramfs.cpio.gz",
            "--set", "network={method: static, ipaddr: 10.0.2.77}", "--set", "flasher.network=static",
            "--no-verify", "--log-format", "json", "--quiet" })
        assert.equal(0, result.status, result.stderr)
        assert_says(result, { '"result":"written, not verified (--no-verify)"', '"device":"/dev/vda1"' })
        -- Machines get one line, and nobody else's words.
        assert.equal(1, count(result.stderr, "\n"), result.stderr)
        local written = shell(("dd if='%s' bs=1M skip=1 count=1 2>/dev/null | sha256sum"):format(bench.drive))
        assert.equal(digest, written:match("%x+"))
    end)

    -- An exporter file for the virtual board, and what such a file cannot say of it.
    local function exporter_options()
        local path = bench.dir .. "/exporter.yaml"
        assert(sys.write_file(path, EXPORTER:format(bench.dir)))
        shell(("chmod 600 '%s'"):format(path))
        local options = { "--config", path }
        for _, key in ipairs({ "console.device=power", "power=" .. MACHINE, "tftp.host=auto-loopback",
            "tftp.windowsize=8", "uboot.tftpdstp=false", "http.board_host=10.0.2.2" }) do
            table.insert(options, "--set")
            table.insert(options, key)
        end
        return options
    end

    it("an exporter file, --preflash, --format raw and a bundle's recipe do what they say", function()
        partitioned_drive()
        local path = bench:random_image("a.xz", MIB)
        local copy = bench.dir .. "/bundle"
        shell(("cp -a '%s' '%s'"):format(bench.bundle, copy))
        assert(sys.write_file(copy .. "/recipe.lua", RECIPE:format([[
            recipe:after("write", function(dut)
                dut.log.info("the bundle's recipe runs on %s", (dut.shell:run("uname -m"):gsub("%s+", "")))
            end)
        ]])))
        local args = { "flash", "-t", "boot:" .. path, "--preflash", "--format", "raw",
            "--force-flash-bundle", copy, "--allow-bundle-recipe" }
        local options = exporter_options()
        table.move(options, 1, #options, #args + 1, args)
        local board = bench.board
        bench.board = "storage"
        local result = bench:jflash(args)
        bench.board = board
        assert.equal(0, result.status, result.stderr)
        assert_says(result, { "http_dir: not used", "variant virt-alt", "preflash: echo 16777216",
            "/dev/vda1 (boot)", "the bundle's recipe runs on aarch64", "storage: flashed and verified" })
        local size = sys.stat(path).size
        local written = shell(("dd if='%s' bs=1M skip=1 count=4 2>/dev/null | head -c %d | cmp - '%s'"):format(
            bench.drive, size, path))
        assert.equal("", written)
        assert.same({}, bench:processes())
    end)

    it("a device that is not there ends the run in its first boot", function()
        local path = bench:random_image("a.raw", MIB)
        local result = bench:jflash({ "flash", path, "--retries", "3", "--set", "targets.disk={path: /dev/sdz}" })
        assert.equal(5, result.status, result.stderr)
        assert_says(result, { "target /dev/sdz is no block device on the board; it has /dev/mmcblk0" })
        assert.is_nil(result.stderr:find("again", 1, true))
        assert.equal(1, count(result.stderr, "kernel data/Image[^\n]* loaded"))
        assert.equal("off\n", bench:jflash({ "power", "state" }).stdout)
    end)

    it("an image that is damaged far behind its beginning is refused before the first write", function()
        local path = bench:random_image("a.xz", 12 * MIB)
        shell(("printf XXXX | dd of='%s' bs=1 seek=%d conv=notrunc 2>/dev/null"):format(path, 11 * MIB))
        local result = bench:jflash({ "flash", path })
        assert.equal(6, result.status, result.stderr)
        assert_says(result, { "step preflash", "damaged: the xz data is wrong near byte" })
        assert.equal(1, count(result.stderr, "kernel data/Image[^\n]* loaded"))
        assert.is_nil(result.stderr:find("preflash: echo", 1, true))
        assert.equal(0, sys.stat(bench.drive).used or 0)
    end)

    it("what can be known beforehand is refused without a power cycle", function()
        local path = bench:random_image("a.xz", 100000)
        local function changed(name, command)
            local copy = bench.dir .. "/" .. name
            shell(("cp '%s' '%s'"):format(path, copy))
            shell(command:format(copy))
            return copy
        end
        for _, row in ipairs({
            { { path, "--target", "emcm" }, 2, "targets of this bundle: disk, mmc" },
            { { path, "--variant", "vrit" }, 2, "variants of this bundle: builtin, virt, virt-alt" },
            { { path, "--os-image-checksum", ("0"):rep(64) }, 3, "expected was 000000" },
            { { path, "--retries", "many" }, 2, "--retries: 'many' is not a whole number" },
            { { "-t", "boot" }, 2, "expected PART:FILE" },
            { { path .. ".nosuch" }, 3, "No such file" },
            { { changed("short", "truncate -s 50000 '%s'") }, 6, "truncated" },
            { { changed("long", "echo junk >>'%s'") }, 6, "trailing junk" },
            { { changed("page", "echo '<!DOCTYPE html><html>' >'%s'") }, 6, "is a web page" },
            { { changed("empty", ": >'%s'") }, 6, "is empty" },
            { { path, "--kernel", path .. ".nosuch" }, 2, "kernel: " },
            { { path, "--dtb", path }, 2, "is no device tree blob" },
        }) do
            local result = bench:jflash({ "flash", table.unpack(row[1]) })
            assert.equal(row[2], result.status, result.stderr)
            assert_says(result, { row[3] })
            assert.is_nil(result.stderr:find("power off", 1, true))
        end
        assert.is_nil(sys.stat(bench.drive))
        assert.same({}, bench:processes())
    end)
end)
