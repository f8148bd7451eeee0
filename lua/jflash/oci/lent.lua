-- SPDX-License-Identifier: Apache-2.0
--
-- An image in a registry that a program on the board pulls by itself (--dut-fetch with
-- --method fls). This host asks the registry what the reference means, and names the
-- manifest by its digest, so that it is known what is pulled; nobody sees it on its
-- way. The interface is that of jflash.source_dut.
--
-- The credentials stand in a file in the flasher's RAM, which it gets by a URL that is
-- good once; the program reads them from there into its environment.

local caches = require("jflash.cache")
local errors = require("jflash.errors")
local fetches = require("jflash.board_fetch")
local log = require("jflash.log")
local references = require("jflash.oci.reference")
local repositories = require("jflash.oci.repository")
local settings = require("jflash.oci.settings")
local shells = require("jflash.shell")
local workers = require("jflash.write.worker")

local M = {}

-- On the board.
local LOGIN = workers.FOLDER .. "/registry.login"

---@class jflash.OciLent
---@field url string      with the digest
---@field digest string
---@field is_registry true
local Lent = { is_registry = true }
Lent.__index = Lent

local function refuse(message)
    errors.raise({ class = "config", code = "unsupported", message = message,
        hint = "leave out --dut-fetch: this host fetches then, and proves what it fetched" })
end

-- What the board could not do, or nobody could prove.
local function check(dut, reference)
    local options = dut.options
    if options.method ~= "fls" then
        refuse("--dut-fetch: of a registry only fls can fetch by itself (--method fls)")
    elseif reference.kind ~= "registry" then
        refuse(("--dut-fetch: %s is on this host"):format(reference.text))
    elseif options.os_image_checksum then
        refuse("--os-image-checksum: nobody hashes what fls fetches by itself")
    elseif options.plain_http then
        refuse("--dut-fetch: fls speaks to registries by TLS only, and --plain-http is given")
    end
end

local function check_login(login)
    if login and not login.password then
        refuse(("--dut-fetch: fls takes a user and a password, and %s has an identity token"):format(login.source))
    end
end

--- Asks the registry what the board is to pull. Raises.
---@param text string
---@param dut jflash.Dut
---@return jflash.OciLent
function M.open(text, dut)
    local reference = references.parse(text)
    check(dut, reference)
    local how = settings.settle(dut.options.fetch, dut.options, dut.board)
    local cache = caches.open(dut.board)
        or caches.open({ cache_dir = dut.run:file("oci-cache"), cache_limit = math.maxinteger })
    local repository <close> = repositories.open(reference, how, cache)
    local found = repository:resolve()
    repository:client() -- also where all of it was in the cache: it looks for the credentials
    check_login(repository.credentials)
    log.info("image %s: %s, which the board pulls by itself", reference.text, found.digest)
    return setmetatable({
        url = ("oci://%s/%s@%s"):format(reference.host, reference.name, found.digest), name = reference.text,
        digest = found.digest, settings = dut.options.fetch, login = repository.credentials,
        pattern = dut.options.file_pattern,
    }, Lent)
end

-- Not known: nobody here looks into it.
function Lent.format() end
function Lent.proof() end
function Lent.decoded_bytes() end
function Lent.delivered_bytes() end
function Lent.inspect() end
function Lent.check_unchanged() end
function Lent.believe() end
function Lent.close() end

function Lent.is_streamed()
    return true
end

function Lent.is_proven()
    return false
end

function Lent.is_known()
    return false
end

------------------------------------------------------------------------------
-- The loan

local Loan = {}
Loan.__index = Loan

local function login_text(login)
    return ("export FLS_REGISTRY_USERNAME=%s\nexport FLS_REGISTRY_PASSWORD=%s\n"):format(
        shells.quote(login.user), shells.quote(login.password))
end

--- Lets the program on the board pull the image, until the loan is closed.
---@param dut jflash.Dut with a shell
---@return {url: string, cacert: string|nil, insecure: boolean, login: string|nil, pattern: string|nil}
function Lent:lend(dut)
    local loan = setmetatable({ url = self.url, insecure = self.settings.insecure, dut = dut, pattern = self.pattern },
        Loan)
    loan.cacert = fetches.put_cacert(dut, self.settings)
    if self.login then
        dut.shell:run("mkdir -p " .. workers.FOLDER)
        loan.login = LOGIN -- from now on it is to be removed
        fetches.put_private(dut, login_text(self.login), LOGIN)
    end
    return loan
end

function Loan.bytes() end
function Loan.check() end

function Loan:__close(failure)
    if (self.cacert or self.login) and not workers.is_gone(failure) then
        self.dut.shell:frame(("rm -f %s %s"):format(self.cacert or "", self.login or ""),
            { timeout_s = 5, tries = 2 })
    end
end

return M
