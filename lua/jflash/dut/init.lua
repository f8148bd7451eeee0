-- SPDX-License-Identifier: Apache-2.0
--
-- The device under test as recipes see it: `dut.console`, `dut.power`,
-- `dut.uboot`, `dut.shell`, `dut.tftp`, `dut.http`, `dut.manifest`, `dut.image`,
-- `dut.log`. It is made from a board's configuration, holds the board's lock, and
-- owns what must be put back: closing it switches off what the run switched on.

local board_lock = require("jflash.board_lock")
local boot_files = require("jflash.boot_files")
local consoles = require("jflash.dut.console")
local errors = require("jflash.errors")
local job = require("jflash.job")
local learned = require("jflash.dut.learned")
local log = require("jflash.log")
local powers = require("jflash.power")
local reports = require("jflash.report")
local results = require("jflash.report.result")
local runs = require("jflash.dut.run")
local scopes = require("jflash.scope")
local uboots = require("jflash.uboot")

local M = {}

---@class jflash.Dut
---@field name string
---@field board table          the board's configuration
---@field options table        the command line's, with defaults
---@field console jflash.dut.Console
---@field power table          the driver
---@field pace jflash.Pace      how fast is typed, in U-Boot and in the shell
---@field uboot jflash.UBoot
---@field shell jflash.Shell|nil  from the login on
---@field tftp jflash.dut.Tftp|nil
---@field http jflash.dut.Http|nil
---@field manifest table|nil
---@field files table[]|nil    what U-Boot loads
---@field own_files table<string, table>  one's own files by role, instead of the bundle's
---@field image table|nil
---@field target jflash.Target|nil
---@field report jflash.Report
---@field scope jflash.Scope
local Dut = {}
Dut.__index = Dut

local function with_defaults(options, board)
    local complete = { power_off = true, verify = true, retries = board.retries }
    for key, value in pairs(options) do
        complete[key] = value
    end
    return complete
end

-- From here on the power is ours to switch off again, whatever happens.
local function take_power(self)
    if self.power_taken then
        return
    end
    self.power_taken = true
    self.report.power = "on"
    job.note("power", "power of board " .. self.name)
    if self.options.power_off then
        self.power_off_due = self.scope:defer("switch the power off", function()
            self.report.power = "unknown"
            self.power:off()
            log.info("power off")
        end)
    else
        self.power_off_due = self.scope:defer("tell of the power", function()
            log.info("the power stays on (--no-power-off)")
        end)
    end
end

local function release_power(self)
    self.power_taken = false
    self.report.power = "off"
    self.shell = nil
    job.note("power", nil)
    self.scope:cancel(self.power_off_due)
end

-- Of a script or a Lua prompt, which need not write anything.
local function idle_report()
    local report = reports.new()
    report.writes = false
    return report
end

--- Takes the board: its lock (not for a dry run), its power driver, its console (not
--- yet opened).
---@param board table   see jflash.config
---@param options table|nil power_off, retries, wait_s, console_debug, run_dir: see cli/flash.lua
---@param report jflash.Report|nil  nil makes a new one
---@return jflash.Dut to be closed: `local dut <close> = duts.new(board, options)`
function M.new(board, options, report)
    options = with_defaults(options or {}, board)
    local self = setmetatable({
        name = board.name,
        board = board,
        options = options,
        log = log,
        report = report or idle_report(),
        own_files = {},
        pieces = {},
        scope = scopes.new(),
    }, Dut)
    self.console = consoles.of_board(board)
    self.power = powers.open(board.power, { name = board.name, console = self.console, warn = log.warn })
    self.power.before_on = function() take_power(self) end
    self.power.after_off = function() release_power(self) end
    if not options.dry_run then
        self.lock = self.scope:own(board_lock.take(board, self.power, options.wait_s))
    end
    self.scope:own(self.power, "let go of the power device")
    self.console:set_debug(options.console_debug or false)
    self.scope:own(self.console, "close the console")
    self.pace = learned.load(board)
    if not options.dry_run then
        self.scope:defer("keep the pace", function() learned.store(board, self.pace) end)
    end
    self.uboot = uboots.new(self.console, board.uboot, self.pace)
    return self
end

--- Keeps the console's transcript and the log in a run's folder.
---@param run jflash.dut.Run|nil  nil makes a new one, whose result is written when the dut is closed
function Dut:start_run(run)
    self.run_is_own = run == nil
    self.run = run or runs.new(self.options.run_dir, self.name)
    self.console:record(self.run:file(runs.CONSOLE))
    if self.lock then
        self.lock:tell_folder(self.run.path)
    end
    log.info("run folder %s", self.run.path)
end

--- Makes the run's folder where none was made: for scripts and the Lua prompt.
function Dut:need_run()
    if not self.run then
        self:start_run()
    end
end

--- Opens the console where it is now.
function Dut:open_console()
    local device = self.board.console.device
    if device == "power" then
        device = self.power:console_address()
    end
    self.console:open(device)
end

--- Switches the power on, with the console open before the board can say its first
--- word, and off again at the end.
function Dut:power_on()
    if self.power.console_moves and self.power:state() ~= "on" then
        self.power:prepare()
        self:open_console()
    elseif self.console.is_lost or not self.console.raw then
        self:open_console()
    end
    self.power:on()
end

--- Switches the power off; then there is nothing to switch off at the end.
function Dut:power_off()
    self.power:off()
end

--- Switches the power off and on again, with the console open before the board
--- can say its first word, and forgets what was said before the cut.
function Dut:power_cycle()
    self.console:phase("quiet")
    self.shell = nil
    if not self.power.console_moves and (self.console.is_lost or not self.console.raw) then
        self:open_console()
    end
    -- A board that is known to be off needs no time to lose its charge.
    local was_off = self.power:state() == "off"
    local off_s = self.power.off_time_s or self.board.timeouts.power_off_wait_s
    self.power:cycle(was_off and 0 or off_s, function()
        if self.power.console_moves then
            self:open_console()
        end
        self.console:discard()
    end)
end

--- Flashes an image with the board's recipe; raises unless it was written.
---@param image string  a file
---@param options {target: string|nil, partition: string|nil, verify: boolean|nil, format: string|nil}|nil
---  partition is a label, or a target's name
---@return jflash.Report
function Dut:flash(image, options)
    options = options or {}
    local outer = self.options
    local _ <close> = setmetatable({}, { __close = function() self.options = outer end })
    self.options = setmetatable({
        pieces = { { image = image, part = options.partition } },
        target = options.target,
        verify = options.verify,
        format = options.format,
    }, { __index = outer })
    local before = self.report
    self.report, self.pieces = reports.new(), {}
    self.report.power = before.power
    self:need_run()
    require("jflash.recipe.choice").choose(nil, self.board, self.options):run(self)
    return self.report
end

--- Brings the board to U-Boot's prompt.
---@return jflash.Session to be closed: `local sh <close> = dut:bootloader_shell()`
function Dut:bootloader_shell()
    return require("jflash.session").open(self, "bootloader")
end

--- Brings the board to its flasher's shell.
---@return jflash.Session to be closed: `local sh <close> = dut:busybox_shell()`
function Dut:busybox_shell()
    return require("jflash.session").open(self, "busybox")
end

--- A live terminal with the menu of the escape key, on the board as it is.
---@return string why  "quit", "closed" (the console hung up) or "eof" (the input ended)
function Dut:attach()
    if not self.console.raw or self.console.is_lost then
        self:open_console()
    end
    return require("jflash.live").run(self)
end

--- A kernel of one's own instead of the bundle's, from the next `load` on; its
--- address is the manifest's. Raises a config error when the file cannot be one, and
--- class source when it cannot be fetched.
---@param place string a path, or a URL
function Dut:use_kernel(place)
    boot_files.use(self, "kernel", place)
end

--- An initramfs of one's own, as use_kernel.
---@param place string
function Dut:use_initram(place)
    boot_files.use(self, "initram", place)
end

--- A device tree of one's own, as use_kernel.
---@param place string
function Dut:use_dtb(place)
    boot_files.use(self, "dtb", place)
end

-- The result comes last: it also tells what went wrong while the board was released.
function Dut:__close(failure)
    failure = failure and errors.wrap(failure)
    local ok, raised = pcall(getmetatable(self.scope).__close, self.scope, failure)
    if self.run_is_own then
        self.run_is_own = false
        results.keep(self.run, self.report, failure or not ok and raised or nil)
    end
    if not ok then
        error(raised, 0)
    end
end

function Dut:close()
    self:__close(nil)
end

return M
