-- SPDX-License-Identifier: Apache-2.0

local bundles = require("jflash.bundle")
local boards = require("jflash.cli.board")
local choice = require("jflash.recipe.choice")
local credentials = require("jflash.credentials")
local errors = require("jflash.errors")
local json = require("jflash.json")
local log = require("jflash.log")
local manifest = require("jflash.manifest")
local oci_images = require("jflash.oci.image")
local options = require("jflash.cli.options")
local parts = require("jflash.cli.parts")
local plans = require("jflash.plan")
local runner = require("jflash.runner")
local sys = require("jflash.sys")
local urls = require("jflash.url")

local M = {}

local EXAMPLES = [[
Examples:
  jflash flash --board qemu-arm64 image.raw.xz
  jflash flash --board qemu-arm64 --target mmc image.raw.xz
  jflash flash --board qemu-arm64 -t boot:boot.img -t root:root.img.zst
  jflash flash --board qemu-arm64 --dry-run image.raw.xz
  jflash flash --board qemu-arm64 --set power.drive=/tmp/disk.img image.raw.xz
  jflash flash --board qemu-arm image.raw.xz
  jflash flash --board qemu-arm64 https://example.org/image.raw.xz
  jflash flash --board qemu-arm64 --file-pattern '*.img.xz' \
      oci://quay.io/org/image:1
  jflash flash --board rack-3 --cacert lab.pem --bearer-file token \
      --os-image-checksum-file image.raw.xz.sha256 https://lab/image.raw.xz
  jflash flash --board rack-3 --dut-fetch http://lab/image.raw.xz
  jflash flash --board rack-3 --method fls --fls-version 0.3.0 image.raw.xz
  jflash flash --board qemu-arm64 --kernel arch/arm64/boot/Image image.raw.xz
  jflash flash --board qemu-arm64 --set manifest=manifest-fit.yaml \
      --variant chain image.raw.xz
  jflash --config exporter.yaml flash image.raw.xz
  xzcat image.raw.xz | jflash flash --board qemu-arm64 -]]

function M.define(command)
    options.flash(command)
    command:epilog(EXAMPLES)
end

local function refuse(message, hint)
    errors.raise({ class = "config", code = "usage", message = message, hint = hint })
end

-- The digest that --os-image-checksum or its file names.
local function settle_checksum(values)
    local path = values.os_image_checksum_file
    if not path then
        return values.os_image_checksum
    elseif values.os_image_checksum then
        refuse("--os-image-checksum and --os-image-checksum-file exclude each other")
    end
    local text, message = sys.read_file(path, { limit_bytes = 1 << 20 })
    if not text then
        refuse("--os-image-checksum-file: " .. message)
    end
    local digest = options.sha256(text:match("^\\?(%S+)") or "")
    if not digest then
        refuse(("--os-image-checksum-file: %s does not begin with a SHA-256"):format(path),
            "as sha256sum writes it: 64 hexadecimal digits, then the name")
    end
    return digest
end

local WORDS = { name = "IMAGE", what = "image", example = "flash IMAGE" }

local function settle_pieces(values)
    local pieces = parts.settle(values.image, values.part, WORDS)
    if #pieces > 1 and (values.os_image_checksum or values.os_image_checksum_file) then
        refuse("--os-image-checksum is for one image", "each image is hashed and compared anyway")
    end
    return pieces
end

-- Options of one method mean nothing to another.
local function check_method(values)
    local given = values.fls_version or values.fls_binary_url or values.fls_sha256
    if given and values.method ~= "fls" then
        refuse("--fls-version, --fls-binary-url and --fls-sha256 are for --method fls")
    end
end

local function check_pattern(values, pieces)
    for _, piece in ipairs(values.file_pattern and pieces or {}) do
        if not oci_images.is_one(piece.image) then
            refuse(("--file-pattern is for images in registries, and %s is none"):format(urls.shown(piece.image)))
        end
    end
end

-- A key that nothing is checked with would promise what is not done.
local function check_key(values, pieces, board)
    local bundle = values.force_flash_bundle or board.bundle
    local remote = bundle and bundles.is_remote(bundle)
    for _, piece in ipairs(pieces) do
        remote = remote or oci_images.is_one(piece.image)
    end
    if values.verify_key and not remote then
        refuse("--verify-key: neither the bundle nor an image comes from a registry",
            "--os-image-checksum is for files and URLs")
    end
end

-- Makes the secrets known before anything is shown.
local function settle_fetch(values, pieces)
    for _, piece in ipairs(pieces) do
        urls.keep_secrets(piece.image)
    end
    for _, role in ipairs(manifest.roles) do
        urls.keep_secrets(values[role] or "")
    end
    local fetch, warnings = credentials.settle(values)
    for _, warning in ipairs(warnings) do
        log.warn("%s", warning)
    end
    return fetch
end

-- What the command line says, else the board's configuration.
local function settle(values, pieces, fetch, board)
    if values.dut_fetch and values.force_exporter_http then
        refuse("--dut-fetch and --force-exporter-http exclude each other")
    end
    check_method(values)
    check_pattern(values, pieces)
    check_key(values, pieces, board)
    local settled = options.of_run(values, board)
    settled.pieces = pieces
    settled.method = values.method
    settled.dut_fetch = values.dut_fetch
    settled.fls = {
        version = values.fls_version, binary_url = values.fls_binary_url, sha256 = values.fls_sha256,
    }
    settled.preflash = values.preflash
    settled.target = values.target
    settled.os_image_checksum = settle_checksum(values)
    settled.fetch = fetch
    settled.file_pattern = values.file_pattern
    settled.format = values.format
    settled.verify = not values.no_verify
    return settled
end

-- Prints what would be done.
local function show_plan(recipe, board, settled)
    local plan = plans.make(recipe, board, settled)
    sys.write(1, log.is_json() and json.encode(plan) .. "\n" or plans.text(plan))
    return 0
end

--- Runs a recipe with the options of `flash`.
---@param values table
---@param recipe jflash.Recipe|nil  nil takes the board's, else the stock recipe
---@return integer status
function M.run(values, recipe)
    local pieces = settle_pieces(values)
    local fetch = settle_fetch(values, pieces)
    local board = boards.choose(values)
    credentials.add_board(fetch, board)
    local settled = settle(values, pieces, fetch, board)
    recipe = choice.choose(recipe, board, settled)
    if values.force_exporter_http then
        log.info("--force-exporter-http is what jflash does anyway: the image goes through this host")
    end
    if values.dry_run then
        return show_plan(recipe, board, settled)
    end
    local report = runner.run(recipe, board, settled)
    parts.tell(board, report)
    return 0
end

return M
