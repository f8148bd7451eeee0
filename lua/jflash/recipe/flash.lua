-- SPDX-License-Identifier: Apache-2.0
--
-- The stock recipe: images onto a board's storage, through the board's own U-Boot.
-- Nothing on the storage changes before `preflash`, and that waits until the images
-- were proven and their targets were looked at.

local boot_files = require("jflash.boot_files")
local bundles = require("jflash.bundle")
local errors = require("jflash.errors")
local job = require("jflash.job")
local log = require("jflash.log")
local oci_settings = require("jflash.oci.settings")
local pieces = require("jflash.pieces")
local read_back = require("jflash.write.read_back")
local recipes = require("jflash.recipe")
local servers = require("jflash.dut.servers")
local shells = require("jflash.shell")
local writers = require("jflash.write")

local recipe = recipes.new({
    "prove_source", "prepare_bundle", "start_servers", "power_cycle", "interrupt", "network",
    "load", "boot", "login", "resolve_target", "preflash", "write", "verify", "finish",
})

-- Another run's turn at TFTP's port is short: it ends with its loading.
local TFTP_TURN_S = 120

--- Looks at the images: their first megabytes here and now, the whole of them in
--- the background while the board boots.
---@param dut jflash.Dut
function recipe.prove_source(dut)
    dut.pieces = dut.pieces or {}
    dut.report.pieces = dut.pieces
    pieces.open(dut)
    dut.image = dut.pieces[1].source -- nil in a dry run for what is not read then
end

local function open_bundle(dut)
    local place = dut.options.bundle or dut.board.bundle
    if not place then
        errors.raise({
            class = "config", code = "missing",
            message = ("board %s has no bundle"):format(dut.name),
            hint = "set bundle in the board's configuration, or give --force-flash-bundle",
        })
    end
    return dut.scope:own(bundles.open_at(place, {
        manifest = dut.board.manifest,
        board = dut.board,
        oci = oci_settings.settle(dut.options.fetch or {}, dut.options, dut.board),
    }), "let go of the bundle")
end

--- Opens the bundle and settles what of it is used: every name is known to be good
--- before the power is touched.
---@param dut jflash.Dut
function recipe.prepare_bundle(dut)
    local board, options = dut.board, dut.options
    dut.bundle = open_bundle(dut)
    dut.manifest = dut.bundle.manifest
    for _, warning in ipairs(dut.manifest.warnings) do
        log.warn("%s", warning)
    end
    dut.variant = dut.manifest:variant(options.variant or board.variant)
    boot_files.use_options(dut)
    boot_files.settle(dut)
    pieces.place(dut)
    writers.check(dut)
    log.info("bundle %s, variant %s", dut.manifest.name, dut.variant.name or "none")
    for _, piece in ipairs(dut.pieces) do
        log.info(piece.file and "%s gets %s" or "%s goes to %s",
            piece.image == "-" and "standard input" or piece.image, pieces.place_name(piece))
    end
end

--- Starts the HTTP server, and finds out whether TFTP's port can be had. The servers
--- live as long as the board is held: a second recipe finds them.
---@param dut jflash.Dut
function recipe.start_servers(dut)
    dut.http = dut.http or dut.scope:own(servers.http(dut.board.http), "stop the HTTP server")
    dut.tftp = dut.tftp or dut.scope:own(servers.tftp(dut.board.tftp, dut.board.uboot.tftpdstp),
        "stop the TFTP server")
    dut.tftp:probe()
end

---@param dut jflash.Dut
function recipe.power_cycle(dut)
    dut:power_cycle()
end

--- Stops U-Boot's autoboot.
---@param dut jflash.Dut
function recipe.interrupt(dut)
    dut.uboot:interrupt()
end

--- Gives the board an address, and the servers theirs.
---@param dut jflash.Dut
function recipe.network(dut)
    dut.address = dut.uboot:network(dut.board.network)
    log.info("the board has %s, gateway %s", dut.address.ipaddr or "no address",
        dut.address.gateway or "none")
    if dut.address.ipaddr then
        dut.http:face(dut.address.ipaddr)
    end
end

-- Watches one transfer; raises when it stands still.
local function watch_transfer(dut, file)
    local started, moved, bytes = job.now(), job.now(), -1
    local stall_s = dut.board.timeouts.load_stall_s
    return function()
        local transfer = dut.tftp:progress(file.file)
        local now = job.now()
        if transfer and transfer.bytes ~= bytes then
            bytes, moved = transfer.bytes, now
            log.progress(file.role, bytes, file.size_bytes, bytes / math.max(now - started, 0.001))
        end
        if now - moved < stall_s then
            return
        end
        local seen, arrived = dut.tftp:arrival(file.file)
        dut.uboot:abort()
        dut.tftp.windowsize = 1
        dut.console:fail({
            code = "timeout",
            -- Where nothing arrives any more, the board's network may be stuck.
            at = arrived and "uboot" or nil,
            message = ("TFTP of %s stood still for %g s: %s"):format(file.file, stall_s, seen),
            hint = arrived and "a lossy link? Trying again asks for one packet at a time"
                or "is this host reachable from the board: firewall, route, VLAN, UDP port 69?",
        })
    end
end

local function load_file(dut, file)
    dut.tftp:offer(file.file, file.path)
    local started = job.now()
    dut.uboot:tftpboot(file.address, file.file, file.size_bytes, {
        timeout_s = dut.board.uboot.load_timeout_s,
        tick = watch_transfer(dut, file),
        hint = function()
            return "seen from this host: " .. dut.tftp:arrival(file.file)
        end,
    })
    dut.uboot:setenv(file.role .. "_size", ("%x"):format(file.size_bytes))
    local elapsed_s = job.now() - started
    dut.report:add_bytes(file.size_bytes)
    log.event(("%s %s loaded to %s: %s in %.1f s"):format(file.role, file.file, file.address,
        log.size(file.size_bytes), elapsed_s), { bytes = file.size_bytes, elapsed_s = elapsed_s })
end

--- Loads kernel, initramfs and device tree. TFTP's port is held only meanwhile.
---@param dut jflash.Dut
function recipe.load(dut)
    dut.uboot:settle()
    local _ <close> = dut.tftp:open(dut.address.ipaddr, TFTP_TURN_S)
    dut.tftp:introduce(dut.uboot)
    for _, file in ipairs(dut.files) do
        load_file(dut, file)
    end
end

--- Starts the flasher system.
---@param dut jflash.Dut
function recipe.boot(dut)
    dut.returned = dut.uboot:boot(dut.variant.bootcmd)
    dut.console:phase("kernel")
end

-- The manifest's login, key by key overridden by the board's configuration.
local function login_settings(dut)
    local settings = {}
    for key, value in pairs(dut.manifest.spec.login) do
        settings[key] = value
    end
    for key, value in pairs(dut.board.login) do
        settings[key] = value
    end
    return settings
end

--- Logs in to the flasher, and gives it the clock and the network.
---@param dut jflash.Dut
function recipe.login(dut)
    if not dut.shell then -- else this is another try from where the shell answered
        local shell = shells.new(dut.console, login_settings(dut))
        shell:login(dut.board.timeouts, dut.returned)
        dut.shell = shell
    end
    require("jflash.flasher").prepare(dut)
end

--- Finds the devices and partitions that are written, all of them before the first
--- write, and refuses what must not be.
---@param dut jflash.Dut
function recipe.resolve_target(dut)
    pieces.resolve(dut)
    dut.target = dut.pieces[1].target
end

-- The bundle's commands are for a whole device: they wipe partition tables, and
-- with them what an earlier try may have written.
local function run_preflash(dut)
    for _, command in ipairs(dut.manifest.spec.preflash_commands) do
        log.info("preflash: %s", command)
        pieces.forget_written(dut.pieces)
        dut.shell:run(command, {
            timeout_s = dut.board.timeouts.preflash_s,
            hint = "it stands in preflash_commands of the bundle's manifest",
        })
    end
end

--- The first destructive step: the bundle's commands for a whole device. Waits
--- until the images are proven, those excepted that still arrive.
---@param dut jflash.Dut
function recipe.preflash(dut)
    for _, piece in ipairs(dut.pieces) do
        pieces.inspect(dut, piece)
    end
    writers.prepare(dut)
    if dut.options.preflash or pieces.are_whole(dut.pieces) then
        run_preflash(dut)
    elseif #dut.manifest.spec.preflash_commands > 0 then
        log.info("partitions are written: the bundle's preflash commands are not run (--preflash)")
    end
end

local function write_piece(dut, piece)
    piece.source:check_unchanged()
    local written = writers.method(dut).write(dut, piece)
    piece.source:check_unchanged()
    pieces.prove(piece)
    piece.written = written
    dut.report:add_bytes(written.bytes)
    piece.verification = "not read back"
    log.event(("%s written to %s in %.1f s, %s/s"):format(log.size(written.bytes),
        piece.target.device, written.elapsed_s,
        log.size(written.bytes / math.max(written.elapsed_s, 0.001))), written)
end

--- Writes what is not written yet: a repeated step leaves alone what it had done.
---@param dut jflash.Dut
function recipe.write(dut)
    for _, piece in ipairs(dut.pieces) do
        if not piece.written then
            write_piece(dut, piece)
        end
    end
end

local function raise_differs(dut, piece)
    piece.written = nil
    dut.console:fail({
        code = "checksum",
        retry = 1,
        subject = piece.key,
        at = "shell",
        message = ("read-back differs: %s has sha256:%s, sent was sha256:%s"):format(
            piece.target.device, tostring(piece.read_back_sha256), piece.proof.decoded_sha256),
        hint = "the medium does not keep what it is given: try another one",
    })
end

local function verify_piece(dut, piece)
    piece.verification = nil
    if not piece.proof then
        piece.verification = "nobody has seen what the board fetched"
        log.warn("%s is not verified: %s", piece.target.device, piece.verification)
        return
    end
    local read = read_back.digest(dut, piece.target.device, piece.proof.decoded_bytes)
    piece.read_back_sha256 = read.digest
    dut.report:add_bytes(read.digest and piece.proof.decoded_bytes or 0)
    if read.why_not then
        piece.verification = read.why_not
        log.warn("%s is not verified: %s", piece.target.device, read.why_not)
        return
    end
    if read.digest ~= piece.proof.decoded_sha256 then
        raise_differs(dut, piece)
    end
    piece.verification = "verified"
    log.info("%s read back in %.1f s: sha256:%s, equal to what was sent", piece.target.device,
        read.elapsed_s, read.digest)
end

--- Reads back what was written and compares digests.
---@param dut jflash.Dut
function recipe.verify(dut)
    for _, piece in ipairs(dut.pieces) do
        if not dut.options.verify then
            piece.verification = "--no-verify"
        elseif piece.verification ~= "verified" then
            verify_piece(dut, piece)
        end
    end
end

--- Leaves the storage in order before the power goes.
---@param dut jflash.Dut
function recipe.finish(dut)
    dut.shell:run("sync", { timeout_s = dut.board.timeouts.sync_s })
    if dut.report:result() == "failed" then
        errors.raise({ class = "bug", message = "a run may not end without a result" })
    end
end

return recipe
