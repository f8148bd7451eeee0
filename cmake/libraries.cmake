# SPDX-License-Identifier: Apache-2.0
#
# Debian's libraries. jflash_libs is what the primitives need, jflash_lua is Lua.
#
# A shared object costs a process some 80 KiB of memory before anything in it is
# used: its relocations, tables, and the pages around them. jflash uses a dozen small
# ones, so their archives are linked where Debian has them. libgnutls and libc stay
# shared: they are large, and in the memory of other programs anyway.
option(JFLASH_STATIC_LIBS "Link the archives of small libraries instead of shared objects" ON)

find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
add_library(jflash_libs INTERFACE)
add_library(jflash_lua INTERFACE)

# Adds to `target` the library that pkg-config knows as `module`.
function(jflash_shared target module)
    pkg_check_modules(${module} REQUIRED IMPORTED_TARGET ${module})
    target_link_libraries(${target} INTERFACE PkgConfig::${module})
endfunction()

# Sets `result` to the archive of a module, or to a false value.
function(jflash_archive module result)
    pkg_check_modules(${module} REQUIRED ${module})
    list(GET ${module}_LIBRARIES 0 name)
    pkg_get_variable(libdir ${module} libdir)
    find_library(${module}_ARCHIVE lib${name}.a HINTS ${libdir})
    if(JFLASH_STATIC_LIBS)
        set(${result} ${${module}_ARCHIVE} PARENT_SCOPE)
    else()
        set(${result} "" PARENT_SCOPE)
    endif()
endfunction()

# As jflash_shared, preferring the archive.
function(jflash_small target module)
    jflash_archive(${module} archive)
    if(archive)
        target_link_libraries(${target} INTERFACE ${archive})
        target_include_directories(${target} SYSTEM INTERFACE ${${module}_INCLUDE_DIRS})
    else()
        jflash_shared(${target} ${module})
    endif()
endfunction()

# Lua's own modules in C (busted's lfs, system and term are some) take its functions
# from the program, so that all of them must be there and be exported.
function(jflash_link_lua module)
    jflash_archive(${module} archive)
    if(archive)
        target_link_libraries(jflash_lua INTERFACE
            "$<LINK_LIBRARY:WHOLE_ARCHIVE,${archive}>" m ${CMAKE_DL_LIBS})
        target_link_options(jflash_lua INTERFACE
            "LINKER:--export-dynamic-symbol=lua_*,--export-dynamic-symbol=luaL_*"
            "LINKER:--export-dynamic-symbol=luaopen_*")
        target_include_directories(jflash_lua SYSTEM INTERFACE ${${module}_INCLUDE_DIRS})
    else()
        jflash_shared(jflash_lua ${module})
    endif()
endfunction()

foreach(module libserialport yaml-0.1 jansson libpcre2-8 libmicrohttpd liblzma libzstd libisal
        liblz4)
    jflash_small(jflash_libs ${module})
endforeach()
# bzip2 has no pkg-config file in Debian.
find_library(BZIP2_ARCHIVE libbz2.a)
if(JFLASH_STATIC_LIBS AND BZIP2_ARCHIVE)
    target_link_libraries(jflash_libs INTERFACE ${BZIP2_ARCHIVE})
else()
    find_package(BZip2 REQUIRED)
    target_link_libraries(jflash_libs INTERFACE BZip2::BZip2)
endif()
# Behind libmicrohttpd, which needs it too.
jflash_shared(jflash_libs gnutls)
# libcurl's headers alone: src/net/curl_lib.h loads the library when it is needed.
find_path(CURL_INCLUDE curl/curl.h REQUIRED)
target_include_directories(jflash_libs SYSTEM INTERFACE ${CURL_INCLUDE})
# libarchive's too: see src/registry/archive_lib.h.
find_path(ARCHIVE_INCLUDE archive.h REQUIRED)
target_include_directories(jflash_libs SYSTEM INTERFACE ${ARCHIVE_INCLUDE})
# So with libedit: src/sys/line_edit.c loads it.
find_path(EDIT_INCLUDE histedit.h REQUIRED)
target_include_directories(jflash_libs SYSTEM INTERFACE ${EDIT_INCLUDE})
target_link_libraries(jflash_libs INTERFACE Threads::Threads ${CMAKE_DL_LIBS})
jflash_link_lua(lua5.4)

# What only some users need. Its headers alone are needed to build; without the option
# the Lua module is there, and says at its first use that it was left out.
#   jflash_optional(NAME LIBRARY HEADER MODULE SOURCES...)
set(JFLASH_LEFT_OUT "")
set(JFLASH_WITHOUT "")
function(jflash_optional name library header module)
    option(JFLASH_${name} "Build in what needs ${library}" ON)
    if(JFLASH_${name})
        find_path(${name}_INCLUDE ${header} REQUIRED)
        target_include_directories(jflash_libs SYSTEM INTERFACE ${${name}_INCLUDE})
    else()
        list(APPEND JFLASH_LEFT_OUT src/bind/${module}.c ${ARGN})
        list(APPEND JFLASH_WITHOUT "X(${module}, \"${library}\", \"JFLASH_${name}\")")
    endif()
    set(JFLASH_LEFT_OUT ${JFLASH_LEFT_OUT} PARENT_SCOPE)
    set(JFLASH_WITHOUT ${JFLASH_WITHOUT} PARENT_SCOPE)
endfunction()

jflash_optional(HIDAPI hidapi hidapi/hidapi.h hid src/power/hid.c src/power/hid_lib.c)
jflash_optional(GPIOD libgpiod gpiod.h gpio src/power/gpio.c src/power/gpio_lib.c)
jflash_optional(SNMP net-snmp net-snmp/net-snmp-includes.h snmp src/power/snmp.c
    src/power/snmp_answer.c src/power/snmp_exchange.c src/power/snmp_lib.c src/power/snmp_login.c)
jflash_optional(MOSQUITTO libmosquitto mosquitto.h mqtt src/power/mqtt.c src/power/mqtt_pump.c
    src/power/mqtt_lib.c)
list(JOIN JFLASH_WITHOUT " " JFLASH_WITHOUT)
list(TRANSFORM JFLASH_LEFT_OUT PREPEND ${PROJECT_SOURCE_DIR}/)
configure_file(src/bind/left_out.h.in generated/bind/left_out.h)
