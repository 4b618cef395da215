#!/bin/sh
# Installs quorate on this host, which runs systemd. Can be run again at any time: it brings program and units up to
# date and restarts the daemon only when something changed. It never touches a configuration that is there.
set -eu
umask 022

usage() {
    cat <<'TEXT'
usage: install.sh BINARY      install BINARY (such as target/release/quorate), units, user, manual and a sample configuration
       install.sh --uninstall stop and remove them; configuration and data stay
TEXT
}

here=$(cd "$(dirname "$0")" && pwd)
. "$here/layout.sh"
. "$here/operator.sh"

die() {
    echo "install.sh: $*" >&2
    exit 1
}

changed=no

# put MODE SOURCE TARGET: copies beside and renames, since a running program cannot be written to.
put() {
    if cmp -s "$2" "$3" && [ "$(stat -c %a "$3")" = "$1" ]; then
        return
    fi
    mkdir -p "$(dirname "$3")"
    install -m "0$1" "$2" "$3.new"
    sync "$3.new"
    mv -f "$3.new" "$3"
    changed=yes
    echo "installed $3"
}

# put_once SOURCE TARGET: only where there is nothing yet.
put_once() {
    if [ -e "$2" ]; then
        echo "kept      $2"
    else
        install -D -m 0644 "$1" "$2"
        echo "installed $2 (a sample: edit it)"
    fi
}

remove() {
    if booted; then
        # shellcheck disable=SC2046
        systemctl disable --now $(units) 2>/dev/null || true
    else
        rm -f /etc/systemd/system/multi-user.target.wants/quorate.service
        rm -f /etc/systemd/system/quorate-online.target.wants/quorate-wait-online.service
        rm -f /etc/systemd/system/timers.target.wants/quorate-snapshot.timer
        rm -f /etc/systemd/system/multi-user.target.wants/quorate-hooks.service
    fi
    layout | while read -r mode file place _; do
        # Not quoted: a name may stand for several.
        [ "$mode" = once ] || rm -f "${place%/*}"/$(basename "$(place_of "$file" "$place")")
    done
    rm -rf /run/quorate /run/quorate-monitor /run/quorate-hooks
    rmdir /usr/local/share/doc/quorate 2>/dev/null || true
    if booted; then
        systemctl daemon-reload
        systemctl reset-failed quorate.service 2>/dev/null || true
    fi
    say_what_is_left
}

[ $# -eq 1 ] || { usage >&2; exit 2; }
case $1 in
    -h | --help) usage; exit 0 ;;
esac
[ "$(id -u)" -eq 0 ] || die "run this as root"
command -v systemctl >/dev/null || die "this host has no systemd; run \`quorate run\` under your own supervisor"
# What install.sh puts there goes before the package's program and units; and --uninstall would stop the package's daemon.
if [ -e /usr/lib/systemd/system/quorate.service ]; then
    die "the Debian package is installed here; upgrade that, or run \`apt remove quorate\` first: configuration and data stay. Nothing was changed"
fi
case $1 in
    --uninstall) remove; exit 0 ;;
    -*) usage >&2; exit 2 ;;
esac

binary=$1
[ -f "$binary" ] || die "$binary does not exist; build it with \`cargo build --profile dist\`"
[ -x "$binary" ] || die "$binary is not executable"
# A name alone would be looked for in PATH.
binary=$(realpath "$binary")
version=$("$binary" --version) || die "$binary does not run on this host"
case $version in
    quorate*) ;;
    *) die "$binary is not quorate: it calls itself '$version'" ;;
esac
refuse_open_secret

from=$(mktemp -d)
trap 'rm -rf "$from"' EXIT
gather "$binary" "$from"
while read -r mode file place _; do
    for source in "$from"/$file; do
        target=$(place_of "$source" "$place")
        case $mode in
            once) put_once "$source" "$target" ;;
            *) put "$mode" "$source" "$target" ;;
        esac
    done
done <<LIST
$(layout)
LIST
systemd-sysusers /etc/sysusers.d/quorate.conf
systemd-tmpfiles --create /etc/tmpfiles.d/quorate-monitor.conf || echo "the place of the monitors' socket is made at the next boot" >&2

if booted; then
    systemctl daemon-reload
    systemctl enable --quiet quorate.service quorate-wait-online.service
    if [ $changed = yes ]; then
        systemctl try-restart quorate.service quorate-hooks.service
    fi
else
    systemctl --root=/ enable --quiet quorate.service quorate-wait-online.service
fi

echo "$version is installed."
say_what_is_next
