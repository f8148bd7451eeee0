# SPDX-License-Identifier: Apache-2.0
#
# The texts that are built into the program: stock Lua, scripts, boards and
# bundle manifests, the page that describes the configuration, and Debian's
# lua-argparse. Sets STOCK_C to the generated source.
find_file(ARGPARSE_LUA argparse.lua PATHS /usr/share/lua/5.4 REQUIRED NO_DEFAULT_PATH)

file(GLOB_RECURSE STOCK_FILES CONFIGURE_DEPENDS RELATIVE ${PROJECT_SOURCE_DIR}
    lua/*.lua scripts/*.lua bundles/*/board.yaml bundles/*/manifest*.yaml docs/configuration.md)
list(SORT STOCK_FILES)
# What every start reads, apart from what may never be needed.
file(GLOB STOCK_START CONFIGURE_DEPENDS RELATIVE ${PROJECT_SOURCE_DIR} lua/jflash/cli/*.lua)
list(APPEND STOCK_START lua/jflash/environment.lua lua/jflash/errors.lua lua/jflash/log.lua
    lua/jflash/nearest.lua lua/jflash/recipe/init.lua lua/jflash/scripts.lua)
set(lines "start\tvendor/argparse.lua\t${ARGPARSE_LUA}\n")
set(paths "")
foreach(name IN LISTS STOCK_FILES)
    set(array later)
    if(name IN_LIST STOCK_START)
        set(array start)
    endif()
    string(APPEND lines "${array}\t${name}\t${PROJECT_SOURCE_DIR}/${name}\n")
    list(APPEND paths ${PROJECT_SOURCE_DIR}/${name})
endforeach()

set(STOCK_LIST ${PROJECT_BINARY_DIR}/generated/stock.txt)
set(STOCK_C ${PROJECT_BINARY_DIR}/generated/stock.c)
file(CONFIGURE OUTPUT ${STOCK_LIST} CONTENT "${lines}" @ONLY)
add_custom_command(OUTPUT ${STOCK_C}
    COMMAND ${CMAKE_COMMAND} -DINPUTS=${STOCK_LIST} -DOUTPUT=${STOCK_C}
            -P ${PROJECT_SOURCE_DIR}/cmake/embed.cmake
    DEPENDS ${paths} ${ARGPARSE_LUA} ${STOCK_LIST} ${PROJECT_SOURCE_DIR}/cmake/embed.cmake
    VERBATIM)
