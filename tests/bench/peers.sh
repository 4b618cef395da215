#!/bin/sh
# Installs what the bench compares with, from Debian's own packages: etcd and serf. What is there is left alone. The
# bench starts programs of its own, so a service that comes with a package is kept from starting.
set -eu

have() {
    command -v "$1" >/dev/null 2>&1
}

under_systemd() {
    have systemctl && [ -d /run/systemd/system ]
}

# install PACKAGE PROGRAM SERVICE
install() {
    if have "$2"; then
        return
    fi
    if [ "$(id -u)" != 0 ]; then
        echo "peers.sh: run as root, or install the Debian package $1" >&2
        exit 1
    fi
    if under_systemd; then systemctl -q mask "$3"; fi
    apt-get -qq update
    DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "$1" >/dev/null
    if under_systemd; then
        systemctl -q unmask "$3"
        systemctl -q disable "$3" 2>/dev/null || true
    fi
}

install etcd-server etcd etcd.service
install serf serf serf.service
etcd --version | head -n 1
serf --version | head -n 1
