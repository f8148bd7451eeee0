-- SPDX-License-Identifier: Apache-2.0
--
-- What a run writes: one image for a whole device, or several, each for a device
-- or a partition, all in one boot. A piece is an image with the place it goes to;
-- it carries what was done with it, and the report reads that. A dump's pieces are
-- files, with the place that is read into them.

local board_images = require("jflash.source_dut")
local errors = require("jflash.errors")
local images = require("jflash.source")
local lent_images = require("jflash.oci.lent")
local log = require("jflash.log")
local oci_images = require("jflash.oci.image")
local partitions = require("jflash.partition")
local targets = require("jflash.target")
local urls = require("jflash.url")

local M = {}

---@class jflash.Piece
---@field key string            names what is offered to the board for it
---@field given string          the image as it was given; a URL may hold secrets
---@field image string          the same, as it may be shown
---@field part string|nil       as given with -t: a target's name, or a partition's label
---@field label string|nil      the partition's label; nil for a whole device
---@field target_name string    which device, or which device the partition is on
---@field target_path string
---@field source jflash.Source|nil  nil only in a dry run, which reads local files alone
---@field file jflash.dump.File|nil  of a dump: the place is read, not written
---@field saved table|nil       of a dump: see jflash.dump.File:finish
---@field target jflash.Target|nil  from resolve_target on
---@field proof table|nil       digests and sizes of what is sent
---@field written {bytes: integer, elapsed_s: number}|nil
---@field read_back_sha256 string|nil
---@field verification string|nil  "verified", or why it was not

local function config_error(code, message, hint)
    errors.raise({ class = "config", code = code, message = message, hint = hint })
end

local function check_inputs(wanted)
    local seen, stdin = {}, 0
    for _, entry in ipairs(wanted) do
        stdin = stdin + (entry.image == "-" and 1 or 0)
        if entry.part and seen[entry.part] then
            config_error("usage", ("-t names %q twice"):format(entry.part))
        end
        seen[entry.part or false] = true
    end
    if stdin > 1 then
        config_error("usage", "standard input can be one image only")
    end
end

-- What the board is to fetch by itself must be something that it can.
local function open_source(dut, image)
    local options = dut.options
    if options.dut_fetch and urls.is_http(image) then
        return board_images.open(image, options)
    elseif options.dut_fetch and oci_images.is_one(image) then
        return lent_images.open(image, dut)
    elseif options.dut_fetch then
        config_error("usage", ("--dut-fetch: %s is no http, https or oci URL"):format(urls.shown(image)))
    end
    return images.open(image, options, dut)
end

-- One image may go to several places: it is read, or fetched, once.
local function source_of(dut, entry, shown)
    for _, piece in ipairs(dut.pieces) do
        if piece.given == entry.image and piece.image == shown then
            return piece.source
        end
    end
    local source = entry.open and entry.open() or open_source(dut, entry.image)
    return dut.scope:own(source, "close the image")
end

local function open_piece(dut, index, entry)
    local shown = entry.name or urls.shown(entry.image)
    local piece = {
        key = "image" .. (index > 1 and index or ""),
        given = entry.image,
        image = shown,
        part = entry.part,
        reference = entry.reference,
        digest = entry.digest,
    }
    if not dut.options.dry_run or images.is_local(entry.image) then
        piece.source = source_of(dut, entry, shown)
        piece.digest = piece.digest or piece.source.digest
    end
    return piece
end

-- An image in a registry may be several.
local function expand(dut, wanted)
    local all = {}
    for _, entry in ipairs(wanted) do
        local in_registry = oci_images.is_one(entry.image) and not dut.options.dry_run and not dut.options.dut_fetch
        for _, part in ipairs(in_registry and oci_images.expand(dut, entry) or { entry }) do
            table.insert(all, part)
        end
    end
    return all
end

--- Opens the images of a run and looks at the beginning of each. Repeated, it leaves
--- alone those that are open: standard input can be read once.
---@param dut jflash.Dut
function M.open(dut)
    check_inputs(dut.options.pieces)
    dut.wanted = dut.wanted or expand(dut, dut.options.pieces)
    check_inputs(dut.wanted)
    for index, entry in ipairs(dut.wanted) do
        dut.pieces[index] = dut.pieces[index] or open_piece(dut, index, entry)
    end
end

local function is_target(dut, name)
    return name and (dut.board.targets[name] or dut.manifest.spec.targets[name]) ~= nil
end

-- A partition table that is replaced, and a partition in it: one of the two is lost.
-- Two names may stand for one path.
local function refuse_both(pieces)
    local whole = {}
    for _, piece in ipairs(pieces) do
        local other = whole[piece.target_path]
        if not piece.label and other then
            config_error("usage", ("-t %s and -t %s are the same device, %s"):format(
                other.part, piece.part, piece.target_path))
        elseif not piece.label then
            whole[piece.target_path] = piece
        end
    end
    for _, piece in ipairs(pieces) do
        if piece.label and whole[piece.target_path] then
            config_error("usage", ("target %s is written as a whole, so its partition %q cannot be "
                .. "written in the same run"):format(piece.target_name, piece.label))
        end
    end
end

-- What is only read may overlap.
local function is_written(pieces)
    return pieces[1] ~= nil and not pieces[1].file
end

-- --target says where labels are looked for; a piece that names its target has no use for it.
local function warn_unused_target(dut, piece)
    if dut.options.target then
        log.warn("-t %s names a target by itself: --target %s does not apply to it", piece.part,
            dut.options.target)
    end
end

--- Settles where each piece goes: every name is known to be good, as far as this
--- host can tell, before the power is touched.
---@param dut jflash.Dut with pieces and a manifest
function M.place(dut)
    local chosen = dut.options.target or dut.board.default_target
    for _, piece in ipairs(dut.pieces) do
        local named = is_target(dut, piece.part)
        if named then
            warn_unused_target(dut, piece)
        elseif piece.part then
            partitions.check_label(piece.part)
        end
        piece.label = not named and piece.part or nil
        local name = named and piece.part or chosen
        piece.target_path, piece.target_name = dut.manifest:target(name, dut.board.targets)
    end
    if is_written(dut.pieces) then
        refuse_both(dut.pieces)
    end
end

--- Where a piece goes, for people.
---@param piece jflash.Piece
---@return string
function M.place_name(piece)
    local device = ("%s (%s)"):format(piece.target_name, piece.target_path)
    return piece.label and ("partition %q of %s"):format(piece.label, device) or device
end

-- Whether one is a part of the other, whatever names led to them.
local function overlap(first, second)
    return first.kernel_name == second.kernel_name or first.kernel_name == second.disk
        or second.kernel_name == first.disk
end

local function refuse_overlap(dut)
    for index, piece in ipairs(dut.pieces) do
        for before = 1, index - 1 do
            local other = dut.pieces[before]
            if overlap(other.target, piece.target) then
                dut.console:fail({ class = "config", code = "target", retry = 0, at = "shell",
                    message = ("two images for one place: -t %s is %s, -t %s is %s"):format(other.part,
                        other.target.device, piece.part, piece.target.device) })
            end
        end
    end
end

-- After a reboot a name may stand for another device: what was done to the first is
-- not done to that.
local function same_device(before, now)
    return before.kernel_name == now.kernel_name and before.size_bytes == now.size_bytes
        and before.model == now.model
end

--- Finds each piece's device on the board, all of them before the first write.
---@param dut jflash.Dut with a logged-in shell
function M.resolve(dut)
    for _, piece in ipairs(dut.pieces) do
        local target = targets.resolve(dut, piece.target_name, piece.target_path, {
            label = piece.label, read_only = piece.file ~= nil,
        })
        if piece.target and not same_device(piece.target, target) then
            M.forget_written({ piece })
        end
        piece.target = target
    end
    if is_written(dut.pieces) then
        refuse_overlap(dut)
    end
end

--- Whether only whole devices are written.
---@param pieces jflash.Piece[]
---@return boolean
function M.are_whole(pieces)
    for _, piece in ipairs(pieces) do
        if piece.label then
            return false
        end
    end
    return true
end

--- What the storage holds of the pieces is no longer known.
---@param pieces jflash.Piece[]
function M.forget_written(pieces)
    for _, piece in ipairs(pieces) do
        piece.written, piece.verification, piece.read_back_sha256 = nil, nil, nil
    end
end

--- Refuses an image that does not fit, as far as its size is known before its proof.
---@param piece jflash.Piece
function M.check_size(piece)
    local bytes = piece.source:decoded_bytes()
    if bytes then
        targets.check_fits(piece.target, bytes)
    end
end

--- Makes sure, before the first write, that a piece's image is what can be written:
--- all of it is proven, or of what can be proven only then, its beginning and its size.
---@param dut jflash.Dut with a shell
---@param piece jflash.Piece with a target
function M.inspect(dut, piece)
    if not piece.source:is_streamed() then
        M.prove(piece)
    elseif piece.source.inspect then
        piece.source:inspect(dut, piece)
    else
        log.info("%s still arrives: it is written as it comes, and proven when all of it was sent "
            .. "(--os-image-checksum proves it first)", piece.image)
        M.check_size(piece)
    end
end

--- Waits until a piece's image is proven, and refuses one that does not fit. What
--- comes from a server while it is written is proven when that has ended.
---@param piece jflash.Piece
function M.prove(piece)
    if not piece.proof then
        if not piece.source:is_proven() then
            log.info("waiting until the image is proven")
        end
        piece.proof = piece.source:proof()
        if not piece.proof then
            return -- nobody has seen it
        end
        log.event(("image proven: %s, %s decoded, sha256:%s"):format(piece.proof.format,
            log.size(piece.proof.decoded_bytes), piece.proof.decoded_sha256), piece.proof)
    end
    targets.check_fits(piece.target, piece.proof.decoded_bytes)
end

return M
