# shellcheck shell=sh disable=SC2034,SC2154
# SPDX-License-Identifier: Apache-2.0
#
# The frame of every bundle build: options, one build at a time, nothing to do when the inputs are
# those of last time, and a result that appears whole or not at all. Sourced after lib.sh, with
# $board (the bundle's name) and $sources (the scripts beside the board's build.sh) set.

force=no out=

bundle_usage() {
    cat <<TEXT
usage: $prog [--force] ${options:+$options }OUTDIR

Builds the $board flasher bundle in OUTDIR: manifest.yaml and data/.
A second run with the same inputs does nothing; --force builds again, with
the newest packages. The packages come from the host's own apt sources.
TEXT
}

# more_manifests: those that share the bundle's files with manifest.yaml.
more_manifests() {
    (cd "$here" && ls manifest-*.yaml 2>/dev/null) || :
}

# bundle_begin FOLDER: ends the script here when the bundle in FOLDER is up to date. Sets $out,
# $manifest and $data, the folder that the bundle's files go to.
bundle_begin() {
    mkdir -p "$(dirname "$1")"
    out=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
    # An installation has it under another name: a folder with a manifest.yaml is a bundle.
    manifest=manifest.yaml
    [ -e "$here/$manifest" ] || manifest=manifest.in.yaml

    hold "$(dirname "$out")"
    # shellcheck disable=SC2046
    stamp="$(inputs build.sh "$manifest" $(more_manifests))${choice:+ $choice}"
    if [ $force = no ] && [ "$(cat "$out/.stamp" 2>/dev/null)" = "$stamp" ]; then
        say "$out is up to date"
        exit 0
    fi
    if [ -e "$out" ] && [ ! -e "$out/.stamp" ] && ! rmdir "$out" 2>/dev/null; then
        die "$out exists and was not made by this script: remove it, or name another"
    fi
    workdir "$(dirname "$out")"
    data=$tmp/bundle/data
    mkdir -p "$data"
}

# bundle_end: the manifest and what it was made of, and the whole in its place.
bundle_end() {
    cp "$here/$manifest" "$tmp/bundle/manifest.yaml"
    for name in $(more_manifests); do
        cp "$here/$name" "$tmp/bundle/"
    done
    package_list >"$tmp/bundle/packages.txt"
    echo "$stamp" >"$tmp/bundle/.stamp"
    if [ -e "$out" ]; then
        mv "$out" "$tmp/old"
    fi
    mv -T "$tmp/bundle" "$out"
    say "$out: $(du -bhc "$out"/data/* | tail -n 1 | cut -f 1)"
}
