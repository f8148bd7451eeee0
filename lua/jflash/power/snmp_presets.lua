-- SPDX-License-Identifier: Apache-2.0
--
-- The objects of PDUs' MIBs that switch an outlet, tell its state, and measure it.
-- `outlet` is the outlet's number. A sensor has the `factor` that makes volts, amperes
-- or watts of its integer; models that do not measure lack the object, or answer -1.

local M = {}

local function sensor(oid, factor)
    return { oid = oid, factor = factor }
end

-- Raritan PX: PDU2-MIB, switchingOperation, outletSwitchingState and the outlet's sensors.
function M.raritan(outlet)
    local base = "1.3.6.1.4.1.13742.6."
    local sensors = base .. "5.4.3.1.4.1." .. outlet .. "."
    return {
        oid = base .. "4.1.2.1.2.1." .. outlet, on_value = 1, off_value = 0,
        state_oid = base .. "4.1.2.1.3.1." .. outlet, state_on = { "7" }, state_off = { "8" },
        read = { amps = sensor(sensors .. "1", 0.001), volts = sensor(sensors .. "4", 1),
            watts = sensor(sensors .. "5", 1) },
    }
end

-- APC: PowerNet-MIB, rPDUOutletControlOutletCommand, and of models that meter outlets
-- rPDU2OutletMeteredStatusCurrent and -Power. Their voltage is known by phase alone.
function M.apc(outlet)
    local base = "1.3.6.1.4.1.318.1.1."
    local oid = base .. "12.3.3.1.1.4." .. outlet
    local metered = base .. "26.9.4.3.1."
    return {
        oid = oid, on_value = 1, off_value = 2, state_oid = oid, state_on = { "1" }, state_off = { "2" },
        read = { amps = sensor(metered .. "6." .. outlet, 0.1), watts = sensor(metered .. "7." .. outlet, 1) },
    }
end

-- Eaton ePDU: EATON-EPDU-MIB, outletControlOnCmd, outletControlOffCmd (seconds to wait),
-- outletControlStatus, outletVoltage, outletCurrent and outletWatts.
function M.eaton(outlet)
    local base = "1.3.6.1.4.1.534.6.6.7.6."
    return {
        oid = base .. "6.1.4.0." .. outlet, on_value = 0, off_oid = base .. "6.1.3.0." .. outlet, off_value = 0,
        state_oid = base .. "6.1.2.0." .. outlet, state_on = { "1" }, state_off = { "0" },
        state_pending = { "2", "3" },
        read = { amps = sensor(base .. "4.1.3.0." .. outlet, 0.001),
            volts = sensor(base .. "3.1.2.0." .. outlet, 0.001), watts = sensor(base .. "5.1.3.0." .. outlet, 1) },
    }
end

-- "5" is outlet 5 of the first tower and infeed (unit and input cord), "2.1.5" of the
-- second's.
local function index_of(outlet)
    return outlet:find(".", 1, true) and outlet or "1.1." .. outlet
end

-- Server Technology: Sentry3-MIB, outletControlAction, outletStatus, outletLoadValue,
-- outletVoltage and outletPower.
function M.servertech(outlet)
    local base, index = "1.3.6.1.4.1.1718.3.2.3.1.", "." .. index_of(outlet)
    return {
        oid = base .. "11" .. index, on_value = 1, off_value = 2,
        state_oid = base .. "5" .. index, state_on = { "1" }, state_off = { "0" },
        state_pending = { "2", "3" },
        read = { amps = sensor(base .. "7" .. index, 0.01), volts = sensor(base .. "13" .. index, 0.1),
            watts = sensor(base .. "14" .. index, 1) },
    }
end

-- Server Technology PRO2 and later: Sentry4-MIB, st4OutletControlAction, st4OutletState,
-- st4OutletCurrent, st4OutletVoltage and st4OutletActivePower.
M["servertech-pro2"] = function(outlet)
    local base, index = "1.3.6.1.4.1.1718.4.1.8.", "." .. index_of(outlet)
    return {
        oid = base .. "5.1.2" .. index, on_value = 1, off_value = 2,
        state_oid = base .. "3.1.1" .. index, state_on = { "1" }, state_off = { "2" },
        read = { amps = sensor(base .. "3.1.3" .. index, 0.01), volts = sensor(base .. "3.1.6" .. index, 0.1),
            watts = sensor(base .. "3.1.7" .. index, 1) },
    }
end

return M
