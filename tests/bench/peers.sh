#!/bin/sh
# Installs what the bench compares with, from Debian's own packages: etcd and serf. Their services are not wanted here:
# the bench starts programs of its own. Can be run again at any time.
set -eu

have() {
    command -v "$1" >/dev/null 2>&1
}

if have etcd && have serf; then
    echo "peers: etcd and serf are there"
else
    if [ "$(id -u)" != 0 ]; then
        echo "peers: run as root, or install the packages etcd-server and serf" >&2
        exit 1
    fi
    export DEBIAN_FRONTEND=noninteractive
    apt-get -qq update
    # A service that is masked while its package is installed does not start.
    if have systemctl && [ -d /run/systemd/system ]; then
        systemctl mask --now etcd.service serf.service 2>/dev/null || true
    fi
    apt-get -qq install -y --no-install-recommends etcd-server serf
fi
etcd --version | head -n 1
serf --version | head -n 1
