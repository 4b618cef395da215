#!/bin/sh
# Installs quorate on this host, which runs systemd. Can be run again at any time: it brings program and units up to
# date and restarts the daemon only when something changed. It never touches a configuration that is there.
set -eu

usage() {
    cat <<'TEXT'
usage: install.sh BINARY      install BINARY (such as target/release/quorate), units, user and a sample configuration
       install.sh --uninstall stop and remove them; configuration and data stay
TEXT
}

BIN=/usr/local/bin/quorate
UNITS=/etc/systemd/system
USERS=/etc/sysusers.d/quorate.conf
PLACES=/etc/tmpfiles.d/quorate-monitor.conf
CONFIG=/etc/quorate
DOC=/usr/local/share/doc/quorate
UNIT_FILES="quorate.service quorate-wait-online.service quorate-online.target"

die() {
    echo "install.sh: $*" >&2
    exit 1
}

booted() {
    [ -d /run/systemd/system ]
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

# put_once MODE SOURCE TARGET: only where there is nothing yet.
put_once() {
    if [ -e "$3" ]; then
        echo "kept      $3"
    else
        install -m "0$1" "$2" "$3"
        echo "installed $3 (a sample: edit it)"
    fi
}

say_what_is_next() {
    step=1
    if cmp -s "$here/quorate.toml" "$CONFIG/quorate.toml"; then
        echo "  $step. Write cluster and seeds into $CONFIG/quorate.toml; the same file on every host."
        step=$((step + 1))
    fi
    if [ ! -s "$CONFIG/secret" ]; then
        echo "  $step. Make the cluster's secret once, on one host:"
        echo "       (umask 077; quorate secret new > $CONFIG/secret)"
        echo "     and copy $CONFIG/secret to every host, owner root, mode 0600."
        echo "     \`quorate secret fingerprint\` shows whether hosts have the same one."
        step=$((step + 1))
    fi
    echo "  $step. quorate check-config"
    echo "     systemctl start quorate       (returns at once, also on the first host)"
    echo "     quorate status"
}

remove() {
    if booted; then
        # shellcheck disable=SC2086
        systemctl disable --now $UNIT_FILES 2>/dev/null || true
    else
        rm -f "$UNITS/multi-user.target.wants/quorate.service"
        rm -f "$UNITS/quorate-online.target.wants/quorate-wait-online.service"
    fi
    for unit in $UNIT_FILES; do
        rm -f "$UNITS/$unit"
    done
    rm -f "$BIN" "$USERS" "$PLACES" "$DOC/README.md"
    rm -rf /run/quorate /run/quorate-monitor
    rmdir "$DOC" 2>/dev/null || true
    if booted; then
        systemctl daemon-reload
        systemctl reset-failed quorate.service 2>/dev/null || true
    fi
    echo "quorate is removed from this host. Left as they are:"
    echo "  $CONFIG                 configuration and secret"
    echo "  /var/lib/quorate             data"
    echo "  /var/lib/quorate.birth       the memory of which cluster this host belongs to"
    echo "  user and group quorate       who own the data"
    echo "  group quorate-monitor        who may read its state"
    echo "A host that comes back with its data is the same node; one whose data was erased comes back as a new instance."
}

[ $# -eq 1 ] || { usage >&2; exit 2; }
case $1 in
    -h | --help) usage; exit 0 ;;
esac
[ "$(id -u)" -eq 0 ] || die "run this as root"
command -v systemctl >/dev/null || die "this host has no systemd; run \`quorate run\` under your own supervisor"
case $1 in
    --uninstall) remove; exit 0 ;;
    -*) usage >&2; exit 2 ;;
esac

binary=$1
here=$(cd "$(dirname "$0")" && pwd)
[ -f "$binary" ] || die "$binary does not exist; build it with \`cargo build --profile dist\`"
[ -x "$binary" ] || die "$binary is not executable"
version=$("$binary" --version) || die "$binary does not run on this host"
case $version in
    quorate*) ;;
    *) die "$binary is not quorate: it calls itself '$version'" ;;
esac

# The daemon refuses it too: before anything is replaced, so that one that runs goes on.
if [ -e "$CONFIG/secret" ] && [ -n "$(find -L "$CONFIG/secret" -perm /077)" ]; then
    die "others than root may read $CONFIG/secret; run \`chmod 600 $CONFIG/secret\`, then this again. Nothing was changed"
fi
put 644 "$here/quorate.conf" "$USERS"
systemd-sysusers "$USERS"
put 644 "$here/quorate-monitor.conf" "$PLACES"
systemd-tmpfiles --create "$PLACES"
put 755 "$binary" "$BIN"
for unit in $UNIT_FILES; do
    put 644 "$here/$unit" "$UNITS/$unit"
done
put 644 "$here/README.md" "$DOC/README.md"
install -d -m 0755 "$CONFIG"
put_once 644 "$here/quorate.toml" "$CONFIG/quorate.toml"
put_once 644 "$here/host.toml" "$CONFIG/host.toml"

if booted; then
    systemctl daemon-reload
    systemctl enable --quiet quorate.service quorate-wait-online.service
    if [ $changed = yes ]; then
        systemctl try-restart quorate.service
    fi
else
    systemctl --root=/ enable --quiet quorate.service quorate-wait-online.service
fi

echo "$version is installed."
if booted && systemctl --quiet is-active quorate.service; then
    echo "It runs: quorate status"
else
    echo "Next:"
    say_what_is_next
fi
