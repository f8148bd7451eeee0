-- SPDX-License-Identifier: Apache-2.0
--
-- Every key of a board's configuration, with its type and default. What the keys
-- mean is in docs/configuration.md.

local manifest = require("jflash.manifest")
local places = require("jflash.console_place")
local power = require("jflash.power")
local schema = require("jflash.schema")

local function is_ipv4(text)
    local parts = { text:match("^(%d+)%.(%d+)%.(%d+)%.(%d+)$") }
    for _, part in ipairs(parts) do
        if #part > 3 or tonumber(part) > 255 then
            return false
        end
    end
    return #parts == 4
end

local function check_ipv4(text)
    return not is_ipv4(text) and schema.quoted(text) .. " is no IPv4 address" or nil
end

local function check_bind(text)
    if text == "auto" or text == "auto-loopback" or is_ipv4(text) then
        return nil
    end
    return schema.quoted(text) .. " is neither an IPv4 address nor auto nor auto-loopback"
end

local function check_network(network)
    if network.method == "static" and not network.ipaddr then
        return "method static needs the key 'ipaddr'", "method"
    end
    return nil
end

local function check_target(target)
    if target.min_size and target.max_size and target.min_size > target.max_size then
        return "min_size is larger than max_size", "min_size"
    end
    return nil
end

local function check_board(board)
    if board.flasher.network == "static" and not board.network.ipaddr then
        return "static needs the key 'network.ipaddr'", "flasher"
    end
    return power.check_board(board.power, board), "power"
end

local function optional_text()
    return schema.string({ nullable = true, filled = true })
end

local function address()
    return schema.string({ nullable = true, check = check_ipv4 })
end

local function seconds(default)
    return schema.duration({ default = default })
end

local function check_escape(text)
    if #text == 1 or text:match("^%^[%a%[%]\\^_]$") then
        return nil
    end
    return schema.quoted(text) .. " is no key: one character, or ^ and one, as ^]"
end

-- What `flow` is short for.
local FLOWS = {
    none = {},
    rtscts = { rts = "flow_control", cts = "flow_control" },
    dtrdsr = { dtr = "flow_control", dsr = "flow_control" },
    xonxoff = { xon_xoff = "inout" },
}

local function check_flow(console)
    for key, wanted in pairs(FLOWS[console.flow]) do
        local value = console[key]
        if value ~= nil and value ~= "leave" and value ~= wanted then
            return ("%s contradicts the key 'flow', %s, which means %s: %s"):format(
                value, console.flow, key, wanted), key
        end
    end
    return nil
end

local CONSOLE = schema.record({
    device = schema.string({ required = true, check = places.check_console }),
    baudrate = schema.integer({ default = 115200, min = 50, max = 4000000 }),
    bytesize = schema.integer({ default = 8, min = 5, max = 8 }),
    parity = schema.enum({ "none", "even", "odd", "mark", "space" }, { default = "none" }),
    stopbits = schema.integer({ default = 1, min = 1, max = 2 }),
    flow = schema.enum({ "none", "rtscts", "xonxoff", "dtrdsr" }, { default = "none" }),
    dtr = schema.enum({ "leave", "on", "off", "flow_control" }, { default = "leave" }),
    rts = schema.enum({ "leave", "on", "off", "flow_control" }, { default = "leave" }),
    cts = schema.enum({ "ignore", "flow_control" }, { nullable = true }),
    dsr = schema.enum({ "ignore", "flow_control" }, { nullable = true }),
    xon_xoff = schema.enum({ "disabled", "in", "out", "inout" }, { nullable = true }),
    disable_hupcl = schema.boolean({ default = false }),
    cps = schema.number({ nullable = true, min = 1 }),
    line_delay_s = schema.duration({ default = 0, min = 0 }),
    reconnect_s = schema.duration({ default = 10, min = 0 }),
    escape_key = schema.string({ default = "^]", check = check_escape }),
}, { required = true, check = check_flow })

local NETWORK = schema.record({
    method = schema.enum({ "dhcp", "static", "none" }, { default = "dhcp" }),
    ipaddr = address(),
    netmask = schema.string({ default = "255.255.255.0", check = check_ipv4 }),
    gateway = address(),
    ethact = optional_text(),
}, { nullable = true, check = check_network })

local TFTP = schema.record({
    host = schema.string({ default = "auto", check = check_bind }),
    port = schema.integer({ default = 69, min = 0, max = 65535 }),
    board_host = address(),
    blksize = schema.integer({ nullable = true, min = 8, max = 65464 }),
    max_blksize = schema.integer({ nullable = true, min = 8, max = 65464 }),
    windowsize = schema.integer({ default = 16, min = 1, max = 65535 }),
}, { nullable = true })

local HTTP = schema.record({
    host = schema.string({ default = "auto", check = check_bind }),
    port = schema.integer({ default = 0, min = 0, max = 65535 }),
    board_host = address(),
}, { nullable = true })

local UBOOT = schema.record({
    prompt = schema.string({ default = "=> ", filled = true }),
    autoboot_text = optional_text(),
    interrupt_key = schema.string({ default = "\27", filled = true }),
    interrupt_interval_s = schema.duration({ default = 0.1, min = 0.01 }),
    interrupt_timeout_s = seconds(30.0),
    command_timeout_s = seconds(10.0),
    dhcp_command = schema.string({ default = "dhcp", filled = true }),
    dhcp_timeout_s = seconds(60.0),
    dhcp_tries = schema.integer({ default = 3, min = 1 }),
    load_timeout_s = seconds(300.0),
    tftpdstp = schema.boolean({ nullable = true }),
}, { nullable = true })

local LOGIN = schema.record({
    type = schema.enum({ "busybox" }, { nullable = true }),
    login_prompt = optional_text(),
    username = schema.string({ nullable = true }),
    password = schema.string({ nullable = true, secret = true }),
    prompt = optional_text(),
}, { nullable = true })

local FLASHER = schema.record({
    network = schema.enum({ "udhcpc", "static", "none" }, { default = "udhcpc" }),
    interface = optional_text(),
}, { nullable = true })

local TARGET = schema.record({
    path = schema.string({ required = true, check = manifest.check_target }),
    min_size = schema.size({ nullable = true }),
    max_size = schema.size({ nullable = true }),
    model = optional_text(),
}, { check = check_target })

local TIMEOUTS = schema.record({
    load_stall_s = seconds(20.0),
    boot_s = seconds(180.0),
    login_s = seconds(60.0),
    command_s = seconds(30.0),
    network_s = seconds(60.0),
    write_stall_s = seconds(60.0),
    preflash_s = seconds(120.0),
    sync_s = seconds(300.0),
    verify_stall_s = seconds(60.0),
    power_off_wait_s = seconds(2.0),
}, { nullable = true })

return schema.record({
    description = schema.string({ default = "" }),
    arch = optional_text(),
    bundle = optional_text(),
    cacert = optional_text(),
    verify_key = optional_text(),
    cache_dir = optional_text(),
    cache_limit = schema.size({ default = 20 << 30 }),
    manifest = schema.string({ default = "manifest.yaml", filled = true, check = manifest.check_file }),
    variant = optional_text(),
    default_target = optional_text(),
    targets = schema.map(TARGET, { nullable = true, default = {} }),
    console = CONSOLE,
    power = power.schema({ nullable = true }),
    network = NETWORK,
    tftp = TFTP,
    http = HTTP,
    uboot = UBOOT,
    login = LOGIN,
    flasher = FLASHER,
    timeouts = TIMEOUTS,
    retries = schema.integer({ default = 3, min = 0, max = 100 }),
    recipe = optional_text(),
    allow_bundle_recipe = schema.boolean({ default = false }),
}, { check = check_board })
