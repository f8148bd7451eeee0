-- SPDX-License-Identifier: Apache-2.0
--
-- What a run writes: one image for a whole device, or several, each for a device
-- or a partition, all in one boot. A piece is an image with the place it goes to;
-- it carries what was done with it, and the report reads that. A dump's pieces are
-- files, with the place that is read into them.

local errors = require("jflash.errors")
local images = require("jflash.source")
local log = require("jflash.log")
local targets = require("jflash.target")

local M = {}

---@class jflash.Piece
---@field key string            names what is offered to the board for it
---@field image string          the image as it was given
---@field part string|nil       as given with -t: a target's name, or a partition's label
---@field label string|nil      the partition's label; nil for a whole device
---@field target_name string    which device, or which device the partition is on
---@field target_path string
---@field source jflash.Source
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

--- Opens the images of a run and looks at the beginning of each.
---@param dut jflash.Dut
---@return jflash.Piece[]
function M.open(dut)
    local wanted, options = dut.options.pieces, dut.options
    check_inputs(wanted)
    local pieces = {}
    for index, entry in ipairs(wanted) do
        pieces[index] = {
            key = "image" .. (index > 1 and index or ""),
            image = entry.image,
            part = entry.part,
            source = dut.scope:own(images.open(entry.image, options, dut), "close the image"),
        }
    end
    return pieces
end

-- The board's own targets stand before the manifest's.
local function find_target(dut, name)
    local configured = name and dut.board.targets[name]
    if configured then
        return configured.path, name
    end
    return dut.manifest:target(name)
end

local function is_target(dut, name)
    return name and (dut.board.targets[name] or dut.manifest.spec.targets[name]) ~= nil
end

-- A partition table that is replaced, and a partition in it: one of the two is lost.
local function refuse_both(pieces)
    local whole = {}
    for _, piece in ipairs(pieces) do
        whole[piece.target_name] = not (piece.label or piece.file) or whole[piece.target_name]
    end
    for _, piece in ipairs(pieces) do
        if piece.label and whole[piece.target_name] then
            config_error("usage", ("target %s is written as a whole, so its partition %q cannot be "
                .. "written in the same run"):format(piece.target_name, piece.label))
        end
    end
end

--- Settles where each piece goes: every name is known to be good, as far as this
--- host can tell, before the power is touched.
---@param dut jflash.Dut with pieces and a manifest
function M.place(dut)
    local chosen = dut.options.target or dut.board.default_target
    for _, piece in ipairs(dut.pieces) do
        local named = is_target(dut, piece.part)
        if named and dut.options.target then
            log.warn("-t %s names a target by itself: --target %s is for partitions",
                piece.part, dut.options.target)
        end
        piece.label = not named and piece.part or nil
        piece.target_path, piece.target_name = find_target(dut, named and piece.part or chosen)
    end
    refuse_both(dut.pieces)
end

--- Where a piece goes, for people.
---@param piece jflash.Piece
---@return string
function M.place_name(piece)
    local device = ("%s (%s)"):format(piece.target_name, piece.target_path)
    return piece.label and ("partition %q of %s"):format(piece.label, device) or device
end

-- Two names may lead to one disk.
local function refuse_overlap(dut)
    for index, piece in ipairs(dut.pieces) do
        for other = 1, index - 1 do
            local first, second = dut.pieces[other].target, piece.target
            if not piece.file and first.disk == second.disk
                and (first.device == second.device or not (first.label and second.label)) then
                config_error("target", ("two images for %s: %s and %s"):format(second.disk,
                    dut.pieces[other].part or "the whole", piece.part or "the whole"))
            end
        end
    end
end

--- Finds each piece's device on the board, all of them before the first write.
---@param dut jflash.Dut with a logged-in shell
function M.resolve(dut)
    for _, piece in ipairs(dut.pieces) do
        piece.target = targets.resolve(dut, piece.target_name, piece.target_path, {
            label = piece.label, read_only = piece.file ~= nil,
        })
    end
    refuse_overlap(dut)
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

--- Waits until a piece's image is proven, and refuses one that does not fit. What
--- comes from a server while it is written is proven when that has ended.
---@param piece jflash.Piece
function M.prove(piece)
    if not piece.proof then
        if not piece.source:is_proven() then
            log.info("waiting until the image is proven")
        end
        piece.proof = piece.source:proof()
        log.event(("image proven: %s, %s decoded, sha256:%s"):format(piece.proof.format,
            log.size(piece.proof.decoded_bytes), piece.proof.decoded_sha256), piece.proof)
    end
    targets.check_fits(piece.target, piece.proof.decoded_bytes)
end

return M
